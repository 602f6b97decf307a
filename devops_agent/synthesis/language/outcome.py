"""What a search hands over: variants as candidates, ranked, with a record of what they change."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from aem.artifact import Bundle
from devops_agent.synthesis.language.pool import Variant
from devops_agent.synthesis.language.scrubbing import Scrubber
from devops_agent.synthesis.port import Candidate, EditRecord

MAX_CANDIDATES = 5
MAX_RECORDS = 40
RECORD_CHARACTERS = 400
MAX_PAIRS = 100_000
"""Pairs of equal lines, old and new: the time of a comparison grows with them, several times."""

RATIONALE_CHARACTERS = 4_000
FAMILY = "language model"


def ranked(
    incumbent: Variant, improvements: Sequence[Variant], scrubber: Scrubber
) -> Sequence[Candidate]:
    """Rank improvements: the least loss first; of equals the smaller change, then the earlier."""
    order = sorted(
        improvements,
        key=lambda variant: (
            round(variant.loss, 9),
            sum(len(record.after) + len(record.before) for record in _hunks(incumbent, variant)),
        ),
    )
    return [
        Candidate(
            bundle=variant.bundle,
            rationale=_rationale(incumbent, variant),
            dev_loss=variant.loss,
            edits=[_shown(record, scrubber) for record in _hunks(incumbent, variant)][
                :MAX_RECORDS
            ],
        )
        for variant in order[:MAX_CANDIDATES]
    ]


def _rationale(incumbent: Variant, variant: Variant) -> str:
    told = (
        f"A language model proposed {len(variant.rationales)} change(s) that lower the dev loss"
        f" from {incumbent.loss:.3f} to {variant.loss:.3f} and make no hard case worse. It says:"
    )
    return " ".join([told, *variant.rationales])[:RATIONALE_CHARACTERS]


def _hunks(incumbent: Variant, variant: Variant) -> Sequence[EditRecord]:
    before, after = incumbent.bundle, variant.bundle
    return [
        record
        for path in sorted(after.files)
        if before.files.get(path) != after.files[path]
        for record in _hunks_of(path, _lines(before, path), _lines(after, path))
    ]


def _hunks_of(path: str, old: Sequence[str], new: Sequence[str]) -> Iterator[EditRecord]:
    for kind, old_start, old_end, new_start, new_end in _changes(old, new):
        if kind != "equal":
            yield EditRecord(
                path=path,
                line=old_start + 1,
                function="",
                family=FAMILY,
                before="".join(old[old_start:old_end]),
                after="".join(new[new_start:new_end]),
            )


def _changes(old: Sequence[str], new: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """Compare lines; where too many are alike, all from the first change to the last is one."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    most -= head
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    there = Counter(middle[1])
    if sum(there[line] for line in middle[0]) > MAX_PAIRS:
        return [("replace", head, len(old) - tail, head, len(new) - tail)]
    found = difflib.SequenceMatcher(None, *middle, autojunk=False).get_opcodes()
    return [(kind, a + head, b + head, c + head, d + head) for kind, a, b, c, d in found]


def _lines(bundle: Bundle, path: str) -> Sequence[str]:
    return bundle.files.get(path, b"").decode(errors="replace").splitlines(keepends=True)


def _shown(record: EditRecord, scrubber: Scrubber) -> EditRecord:
    return EditRecord(
        path=record.path,
        line=record.line,
        function=record.function,
        family=record.family,
        before=scrubber.scrub(record.before)[:RECORD_CHARACTERS],
        after=scrubber.scrub(record.after)[:RECORD_CHARACTERS],
    )
