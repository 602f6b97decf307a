"""The leak check: a candidate that memorizes gold is rejected (design, section 6).

Text of the holdout is a leak in any artifact. Text of dev cases is memorizing in a program; a
prompt may hold a bounded number of dev cases, as demonstrations. What the incumbent, the dataset's
schema and rules, or dev cases of several groups have as well is nobody's secret.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from aem.artifact import ArtifactKind, Bundle
from gold.dataset import GoldDataset
from gold.domain import GoldCase, Part
from gold.verbatim import (
    OWN_MIN_CHARACTERS,
    RUN_MIN_CHARACTERS,
    Haystack,
    Run,
    block_index,
    find_runs,
    own_stretches,
    readings,
    reduced,
    value_readings,
)

LEAK_REASON = "gold_leak"

MAX_DEMONSTRATIONS = 16
"""Dev cases that a prompt may quote; few-shot prompts use three to ten."""

TEMPLATE_GROUPS = 3
"""Text in dev cases of so many groups is a template of the dataset's author, no case's own. The
holdout's groups do not count: whether dev text is a template would tell what the holdout says."""

MAX_SHOWN = 20
"""Leaks in a report: the first ones tell enough."""

_CONTENT = ("input", "expected", "tools", "entities", "injected", "true_facts")
"""What of a case a candidate could have memorized."""


@dataclass(frozen=True, kw_only=True)
class GoldLeak:
    """One case that a file quotes.

    Attributes:
        path: the candidate's file.
        case_id: the case's.
        characters: letters and digits of the longest run.
    """

    path: str
    case_id: str
    characters: int


@dataclass(frozen=True, kw_only=True)
class LeakCheck:
    """What the leak check found.

    Attributes:
        dataset_digest: whose cases were looked for.
        dataset_name: the same dataset's.
        holdout: quoted holdout cases; shown to auditors and the gold owner alone.
        dev: quoted dev cases.
        dev_allowed: how many of these may be quoted.
    """

    dataset_digest: str
    dataset_name: str
    holdout: tuple[GoldLeak, ...]
    dev: tuple[GoldLeak, ...]
    dev_allowed: int

    @property
    def accepted(self) -> bool:
        """Whether nothing was memorized."""
        return not self.holdout and len(self.dev) <= self.dev_allowed

    @property
    def reason(self) -> str | None:
        """`LEAK_REASON`, or None."""
        return None if self.accepted else LEAK_REASON

    @property
    def submitter_reason(self) -> str | None:
        """The same: whether gold was quoted is all that it says."""
        return self.reason

    def figures(self) -> dict[str, Any]:
        """Return the check as a part of a report's JSON form."""
        return {
            "passed": self.accepted,
            "run_characters": RUN_MIN_CHARACTERS,
            "holdout": {"passed": not self.holdout, "leaks": _shown(self.holdout)},
            "dev": {
                "passed": len(self.dev) <= self.dev_allowed,
                "cases": len(self.dev),
                "allowed": self.dev_allowed,
                "leaks": _shown(self.dev),
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Return a rejection's report: nothing was run, so no axis was judged."""
        return {
            "dataset": {"digest": self.dataset_digest, "name": self.dataset_name},
            "part": Part.HOLDOUT.value,
            "accepted": self.accepted,
            "reason": self.reason,
            "axes": {},
            "leak_check": self.figures(),
            "cases": [],
        }


def view_leak_check(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what submitters may see: of the holdout, pass or fail."""
    return {**figures, "holdout": {"passed": figures["holdout"]["passed"]}}


def check_leaks(
    dataset: GoldDataset,
    candidate: Bundle,
    *,
    incumbent: Bundle | None,
    is_judged: bool = True,
) -> LeakCheck:
    """Look for the dataset's cases in a candidate.

    What is encoded (base64, compressed, enciphered), kept as a hash, in another order than the
    case's own, or shorter than `RUN_MIN_CHARACTERS` letters and digits is not found.

    Args:
        dataset: with its holdout.
        candidate: whose files are read.
        incumbent: what it is compared with: what it says already is no leak.
        is_judged: whether the incumbent has passed this check itself. What was merely submitted
            may quote the holdout so that its candidate may.
    """
    quotes = _Quotes(dataset)
    known = [] if incumbent is None else [text for _, text in readings(incumbent.files)]
    holdout = quotes.find(candidate, Part.HOLDOUT, known if is_judged else [])
    allowed = 0
    if candidate.manifest.kind is ArtifactKind.PROMPT:
        # Old demonstrations count with new ones, so that they cannot pile up order by order.
        old = quotes.find(incumbent, Part.DEV, []) if incumbent else ()
        known, allowed = [], max(MAX_DEMONSTRATIONS, len(old))
    return LeakCheck(
        dataset_digest=dataset.digest,
        dataset_name=dataset.name,
        holdout=holdout,
        dev=quotes.find(candidate, Part.DEV, known),
        dev_allowed=allowed,
    )


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """A part's cases as one reduced text; a table of short cases is a long run of it too."""

    part: Part
    text: str
    starts: tuple[int, ...]
    cases: tuple[GoldCase, ...]

    @classmethod
    def of(cls, part: Part, cases: Sequence[GoldCase], reading: int) -> "_Reference":
        texts = [value_readings(_content(case))[reading] for case in cases]
        starts = accumulate((len(text) for text in texts[:-1]), initial=0)
        return cls(part=part, text="".join(texts), starts=tuple(starts), cases=tuple(cases))

    @cached_property
    def index(self) -> Mapping[str, Sequence[int]]:
        return block_index(self.text)

    def case_at(self, place: int) -> GoldCase:
        return self.cases[bisect_right(self.starts, place) - 1]

    def cases_within(self, run: Run) -> list[GoldCase]:
        """Return the cases that a stretch of text quotes, its very ends apart."""
        places = range(run.place, run.place + len(run.text), OWN_MIN_CHARACTERS // 2)
        inner = list(places)[1:-1] or [run.place + len(run.text) // 2]
        return list({self.case_at(place).id: self.case_at(place) for place in inner}.values())

    @cached_property
    def haystack(self) -> Haystack:
        return Haystack(self.text)

    def groups_with(self, window: str, enough: int) -> set[str]:
        """Return the groups whose cases hold a window, at most `enough` of them."""
        groups: set[str] = set()
        for place in self.haystack.places(window):
            groups.add(self.case_at(place).group)
            if len(groups) == enough:
                break
        return groups


class _Quotes:
    """Finds a dataset's cases in bundles."""

    def __init__(self, dataset: GoldDataset) -> None:
        """Reduce all cases, once."""
        self._references = [
            _Reference.of(part, dataset.cases(part), reading)
            for part in Part
            if dataset.cases(part)
            for reading in range(2)
        ]
        self._public = [Haystack(reduced(text)) for text in _public(dataset)]

    def find(self, bundle: Bundle, part: Part, known: Sequence[str]) -> tuple[GoldLeak, ...]:
        """Return the part's cases that a bundle quotes, each with the longest run.

        Args:
            bundle: whose files are read.
            part: of the dataset.
            known: reduced texts whose content is no leak.
        """
        free = [*map(Haystack, known), *self._public]
        if part is Part.HOLDOUT:  # what the dev part says as well was never kept secret
            free += [other.haystack for other in self._references if other.part is Part.DEV]
        judged: dict[str, bool] = {}

        def is_free(window: str) -> bool:
            if window not in judged:
                judged[window] = any(window in each for each in free) or self._is_template(window)
            return judged[window]

        found: dict[str, GoldLeak] = {}
        for path, text in readings(bundle.files):
            for reference in self._references:
                if reference.part is part:
                    for run in find_runs(text, reference.text, reference.index):
                        self._note(found, path, reference, run, is_free)
        return tuple(found.values())

    def _note(
        self,
        found: dict[str, GoldLeak],
        path: str,
        reference: _Reference,
        run: Run,
        is_free: Callable[[str], bool],
    ) -> None:
        for stretch in own_stretches(run, is_free):
            for case in reference.cases_within(stretch):
                known = found.get(case.id)
                if known is None or known.characters < len(run.text):
                    found[case.id] = GoldLeak(path=path, case_id=case.id, characters=len(run.text))

    def _is_template(self, window: str) -> bool:
        groups: set[str] = set()
        for reference in self._references:
            if reference.part is Part.DEV:
                groups |= reference.groups_with(window, TEMPLATE_GROUPS)
        return len(groups) >= TEMPLATE_GROUPS


def _content(case: GoldCase) -> list[Any]:
    members = case.to_json()
    return [members[name] for name in _CONTENT if name in members]


def _public(dataset: GoldDataset) -> list[str]:
    """Return what everybody knows of a dataset: its output schema and its rules."""
    rules = [rule.to_json() for rule in dataset.rules.values()]
    return [json.dumps(dataset.schema.schema), json.dumps(rules)]


def _shown(leaks: Sequence[GoldLeak]) -> list[dict[str, Any]]:
    return [vars(leak) for leak in leaks[:MAX_SHOWN]]
