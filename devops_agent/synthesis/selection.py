"""Selection: edits that do not pay for themselves are dropped, and what is left is ranked.

An edit pays when the dev loss is higher without it. It is supported when it helps more groups of
cases than it hurts: cases of one group share a template, so a gain in one group alone may be an
accident of that template.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from devops_agent.synthesis.errors import BudgetExhaustedError
from devops_agent.synthesis.gains import Gain
from devops_agent.synthesis.history import without
from devops_agent.synthesis.port import Candidate, EditRecord, SynthesisContext
from devops_agent.synthesis.source import Edit, parse_program
from devops_agent.synthesis.workbench import (
    EPSILON,
    Scores,
    State,
    Workbench,
    is_harmless,
    total_loss,
)

MAX_CANDIDATES = 5
_RECORD_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class _Support:
    """By how many groups an edit is borne out, in both halves of the dev cases."""

    helped: int
    hurt: int
    pays_in_halves: int

    @property
    def is_sound(self) -> bool:
        """Whether the gain is seen on both halves, or nothing speaks against it."""
        both = self.pays_in_halves == 2  # noqa: PLR2004 - halves
        return self.helped > 0 and (self.hurt == 0 or (both and self.helped > self.hurt))


class Selection:
    """Prunes and ranks what a search has found."""

    def __init__(self, bench: Workbench) -> None:
        """Keep the workbench; nothing is run."""
        self._bench = bench
        groups = sorted({case.group for case in bench.context.dev_cases})
        random.Random(bench.context.seed).shuffle(groups)  # noqa: S311 - a split, no secret
        self._half = {group: index % 2 for index, group in enumerate(groups)}
        self._group = {case.id: case.group for case in bench.context.dev_cases}

    def prune(self, baseline: State, final: State) -> Sequence[State]:
        """Return the final state without edits that do not pay, and a more cautious variant.

        The cautious variant keeps only edits that help at least two groups; it is left out when
        it would be the same. Where the budget ends, what has been pruned until then is returned.
        """
        state = final
        single: list[int] = []  # indices of edits that help one group only
        try:
            for index in range(len(final.history) - 1, -1, -1):
                lesser = self._lesser(state, index) if len(state.history) > 1 else None
                if lesser is None:
                    continue
                support = self._support(lesser.scores, state.scores)
                if not support.is_sound and is_harmless(state.scores, lesser.scores):
                    state = lesser
                    single = [place - 1 for place in single]
                elif support.helped == 1:
                    single.append(index)
            cautious = self._cautious(baseline, state, single)
        except BudgetExhaustedError:
            return [state]
        return [state] if cautious is None else [state, cautious]

    def _lesser(self, state: State, index: int) -> State | None:
        history = without(state.history, index)
        bundle = self._bench.rebuilt(history) if history is not None else None
        if bundle is None or history is None:
            return None
        scores = self._bench.run(bundle, self._bench.case_ids)
        return State(
            program=parse_program(bundle.files), bundle=bundle, scores=scores, history=history
        )

    def _support(self, lesser: Scores, fuller: Scores) -> _Support:
        gains: dict[str, float] = {}
        for case_id, group in self._group.items():
            gain = lesser[case_id].loss - fuller[case_id].loss
            gains[group] = gains.get(group, 0.0) + gain
        halves = [0.0, 0.0]
        for group, gain in gains.items():
            halves[self._half[group]] += gain
        return _Support(
            helped=sum(gain > EPSILON for gain in gains.values()),
            hurt=sum(gain < -EPSILON for gain in gains.values()),
            pays_in_halves=sum(gain > EPSILON for gain in halves),
        )

    def _cautious(self, baseline: State, state: State, dropped: Sequence[int]) -> State | None:
        """Drop the edits with these indices, the last first; None when that does not hold up."""
        lesser: State | None = state
        for index in dropped:
            lesser = self._lesser(lesser, index) if lesser is not None else None
        if lesser is None or lesser is state or not lesser.history:
            return None
        better = lesser.loss < baseline.loss - EPSILON
        return lesser if better and is_harmless(baseline.scores, lesser.scores) else None

    def candidates(
        self, baseline: State, states: Sequence[State], repairs: Sequence[Gain]
    ) -> Sequence[Candidate]:
        """Describe full repairs by one edit, the plainest first, and states as candidates."""
        found: dict[str, Candidate] = {}
        context = self._bench.context
        for gain in sorted(repairs, key=lambda gain: gain.cost):
            files = baseline.program.apply(gain.edits)
            if files is not None:
                bundle = context.bundle.replace(files)
                loss = total_loss(gain.scores)
                candidate = _candidate(context, baseline, bundle, loss, gain.edits)
                found.setdefault(str(sorted(files.items())), candidate)
        for state in states:
            changed = {edit.path: state.bundle.files[edit.path] for edit in state.history}
            candidate = _candidate(context, baseline, state.bundle, state.loss, state.history)
            found.setdefault(str(sorted(changed.items())), candidate)
        return list(found.values())[:MAX_CANDIDATES]


def _candidate(
    context: SynthesisContext,
    baseline: State,
    bundle: object,
    loss: float,
    edits: Sequence[Edit],
) -> Candidate:
    records = []
    sources = dict(context.bundle.files)
    for edit in edits:
        data = sources[edit.path]
        before = data[edit.start : edit.end].decode(errors="replace")
        records.append(
            EditRecord(
                path=edit.path,
                line=edit.line,
                function=edit.function,
                family=edit.family,
                before=before[:_RECORD_CHARACTERS],
                after=edit.text[:_RECORD_CHARACTERS],
            )
        )
        sources[edit.path] = data[: edit.start] + edit.text.encode() + data[edit.end :]
    places = "; ".join(
        f"{record.family} in {record.function or 'module'} ({record.path}:{record.line})"
        for record in records
    )
    rationale = (
        f"{len(records)} edit(s) lower the dev loss from {baseline.loss:.3f} to {loss:.3f}"
        f" and make no hard case worse: {places}."
    )
    return Candidate(bundle=bundle, rationale=rationale, dev_loss=loss, edits=records)  # type: ignore[arg-type]
