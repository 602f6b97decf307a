"""The search: sweeps over ranked edits, gains combined, partial repairs completed.

A sweep tries edits one at a time on the current variant. Gains in different places are then put
together, each verified beside the others, and the next sweep starts from there: so programs with
several faults are mended one by one. Where a sweep gains nothing, partial repairs (edits that help
some case and hurt another) are guarded by conditions, and pairs of edits are tried.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from aem.artifact import Bundle
from devops_agent.synthesis.edits.catalogue import Catalogue
from devops_agent.synthesis.edits.completion import guarded
from devops_agent.synthesis.edits.site import Vocabulary
from devops_agent.synthesis.errors import BudgetExhaustedError
from devops_agent.synthesis.gains import Gain, Partial, adds_right_facts
from devops_agent.synthesis.history import sequenced
from devops_agent.synthesis.probes import ProbePlan
from devops_agent.synthesis.source import Edit
from devops_agent.synthesis.symptoms import Dictionary
from devops_agent.synthesis.workbench import (
    EPSILON,
    Scores,
    State,
    Workbench,
    harm,
    is_harmless,
    total_loss,
)

SWEEP_SHARE = 0.45
"""Share of the runs that are left which one sweep may use, so that later ones have theirs."""

GUARDS_SHARE = 0.3
REST_SHARE = 0.7
"""Where a sweep gains nothing: what guards, and then the sweep's rest, may use of what is left;
pairs have the remainder."""

ALTERNATIVES_SHARE = 0.15
"""After the first full repair, so many of the runs used until then go on looking for a plainer
one: the first that passes need not be the right one."""

MIN_ALTERNATIVE_RUNS = 200
MAX_COMBINED = 80
"""Gains of one sweep that are tried in combination, the largest first."""

MAX_PARTIALS = 40
FULL_CHECK_CASES = 64
"""With so many dev cases at most, a gain is run on all of them at once; with more, on a sample,
and on all only when it is about to be taken over."""

SAMPLE_CASES = 12
SAMPLE_GUARDS = 6
CHECKED_CASES = 3
"""Cases on which a gain is checked beside other gains before all are run."""

PAIR_COST = 1.5
"""Second edits of pairs are the commonest faults only."""

MAX_PAIR_EDITS = 600


class Search:
    """Looks for gains on one workbench; remembers variants that were tried."""

    def __init__(
        self,
        bench: Workbench,
        dictionary: Dictionary,
        vocabulary: Vocabulary,
        reserved_runs: int,
    ) -> None:
        """Keep what the search needs; nothing is run.

        Args:
            bench: runs the variants.
            dictionary: takes outputs apart.
            vocabulary: what edits may use of the dev cases.
            reserved_runs: runs to leave over for the selection at the end.
        """
        self._bench = bench
        self._dictionary = dictionary
        self._cases = {case.id: case for case in bench.context.dev_cases}
        self._catalogue = Catalogue(vocabulary)
        self._reserved = reserved_runs
        self._seen: set[bytes] = set()
        self._rest: Iterator[tuple[Edit, ...]] = iter(())
        self.partials: list[Partial] = []
        self.repairs: list[Gain] = []

    def sweep(self, state: State, plan: ProbePlan) -> Sequence[Gain]:
        """Try single edits on the state, the likeliest first; return those that help."""
        self.partials = []
        ranked = sorted(self._catalogue.edits(state.program), key=plan.rank)  # a stable sort
        self._rest = iter([(edit,) for edit in ranked])
        return self._try_all(state, plan, self._rest, self._limit(SWEEP_SHARE))

    def complete(self, state: State, plan: ProbePlan) -> Sequence[Gain]:
        """Guard partial repairs with conditions, end the sweep, then try pairs of edits."""
        partials = sorted(self.partials, key=lambda partial: (-partial.gain, partial.edit.cost))[
            :MAX_PARTIALS
        ]
        guards = sorted(
            (edit for partial in partials for edit in guarded(state.program, partial.edit)),
            key=lambda edit: edit.cost,
        )
        guarded_variants = iter([(edit,) for edit in guards])
        return (
            self._try_all(state, plan, guarded_variants, self._limit(GUARDS_SHARE))
            or self._try_all(state, plan, self._rest, self._limit(REST_SHARE))
            or self._try_all(state, plan, self._pairs(state, plan, partials), self._limit(1.0))
        )

    def combine(self, state: State, gains: Sequence[Gain]) -> State:
        """Put gains together that do not touch the same place, each verified beside the others.

        Gains that only take wrong facts away wait until nothing else is left: they may hide the
        place where a right fact should have come from.
        """
        adding = [gain for gain in gains if gain.is_constructive] or gains
        ranked = sorted(adding, key=lambda gain: (-round(gain.worth, 6), gain.cost))
        chosen: list[Edit] = []
        current = state
        for gain in ranked[:MAX_COMBINED]:
            if any(edit.overlaps(other) for edit in gain.edits for other in chosen):
                continue
            if chosen and self._spendable() <= 0:
                break
            combined = self._joined(state, current, chosen, gain)
            if combined is not None:
                chosen.extend(gain.edits)
                current = combined
            if current.loss <= EPSILON:
                break
        rest = [gain.edits for gain in gains if gain.edits[0] not in chosen]
        self._reconsider(state, [*rest, *([partial.edit] for partial in self.partials)])
        return current

    def _joined(
        self, base: State, current: State, chosen: Sequence[Edit], gain: Gain
    ) -> State | None:
        edits = [*chosen, *gain.edits]
        files = base.program.apply(edits)
        if files is None:
            return None
        bundle = base.bundle.replace(files)
        scores: Scores | None = gain.scores
        if chosen or len(gain.scores) < len(base.scores):
            scores = self._verified(base, current, gain, bundle)
        if scores is None:
            return None
        return State(
            program=base.program.with_files(files),
            bundle=bundle,
            scores=scores,
            history=[*base.history, *sequenced(edits)],
        )

    def _verified(self, base: State, current: State, gain: Gain, bundle: Bundle) -> Scores | None:
        by_help = sorted(
            (case_id for case_id in current.failing if case_id in gain.scores),
            key=lambda case_id: gain.scores[case_id].loss - base.scores[case_id].loss,
        )
        checked = by_help[:CHECKED_CASES]
        if not checked:
            return None
        scores = self._bench.run(bundle, checked)
        if total_loss(scores) >= total_loss(current.scores, checked) - EPSILON:
            return None
        return self._bench.improved(current.scores, bundle, scores)

    def _try_all(
        self,
        state: State,
        plan: ProbePlan,
        variants: Iterator[tuple[Edit, ...]],
        limit: int,
    ) -> Sequence[Gain]:
        gains: list[Gain] = []
        for edits in variants:
            if self._bench.runs >= limit:
                break
            try:
                gain = self._try(state, plan, edits)
            except BudgetExhaustedError:
                break
            if gain is None:
                continue
            gains.append(gain)
            if len(gain.scores) == len(state.scores) and total_loss(gain.scores) <= EPSILON:
                if not self.repairs:
                    more = max(MIN_ALTERNATIVE_RUNS, int(self._bench.runs * ALTERNATIVES_SHARE))
                    limit = min(limit, self._bench.runs + more)
                self.repairs.append(gain)
        return gains

    def _try(self, state: State, plan: ProbePlan, edits: tuple[Edit, ...]) -> Gain | None:
        if not self._is_new(state, edits):
            return None
        files = state.program.apply(edits) if len(edits) > 1 else None
        if len(edits) == 1:
            module = state.program.modules[edits[0].path]
            files = {module.path: _spliced(module.data, edits[0])}
        if files is None:
            return None
        bundle = state.bundle.replace(files)
        self._bench.count(edits[-1])
        probes = plan.probes(edits[0])
        scores = self._bench.run(
            bundle, probes, stop_above=total_loss(state.scores, probes) - EPSILON
        )
        helped = [
            case_id
            for case_id, score in scores.items()
            if score.loss < state.scores[case_id].loss - EPSILON
        ]
        if not helped:
            return None
        gain = self._gain(state, plan, edits, bundle, scores)
        if gain is None:
            sum_helped = sum(
                state.scores[case_id].loss - scores[case_id].loss for case_id in helped
            )
            self.partials.append(Partial(edit=edits[0], helped=helped, gain=sum_helped))
        return gain

    def _gain(
        self,
        state: State,
        plan: ProbePlan,
        edits: tuple[Edit, ...],
        bundle: Bundle,
        known: Scores,
    ) -> Gain | None:
        if len(state.scores) <= FULL_CHECK_CASES:
            found = self._bench.improved(state.scores, bundle, known)
            if found is None:
                return None
            worth = state.loss - total_loss(found) - harm(state.scores, found)
            return self._weighed(state, edits, found, worth)
        concerned = plan.concerned(edits[0])
        sample = [case_id for case_id in concerned if case_id not in known][:SAMPLE_CASES]
        guards = self._bench.guards(state.scores)[:SAMPLE_GUARDS]
        kept = self._bench.guarded(state.scores, bundle, guards)
        if kept is None or not is_harmless(state.scores, known):
            return None
        scores = {**known, **(self._bench.run(bundle, sample) if sample else {})}
        less = total_loss(state.scores, list(scores)) - total_loss(scores)
        worth = (less - harm(state.scores, scores)) * len(concerned) / len(scores)
        return self._weighed(state, edits, scores, worth) if worth > EPSILON else None

    def _weighed(
        self, state: State, edits: tuple[Edit, ...], scores: Scores, worth: float
    ) -> Gain:
        adds = any(
            adds_right_facts(self._dictionary, self._cases[case_id], state.scores[case_id], score)
            for case_id, score in scores.items()
            if score.loss < state.scores[case_id].loss - EPSILON
        )
        return Gain(edits=edits, scores=scores, worth=worth, is_constructive=adds)

    def _is_new(self, state: State, edits: Sequence[Edit]) -> bool:
        key = _key(state, edits)
        if key is None or key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _reconsider(self, state: State, variants: Iterable[Sequence[Edit]]) -> None:
        """Let variants that helped be tried again once the program around them has changed."""
        self._seen.difference_update(
            key for edits in variants if (key := _key(state, edits)) is not None
        )

    def _pairs(
        self, state: State, plan: ProbePlan, partials: Sequence[Partial]
    ) -> Iterator[tuple[Edit, ...]]:
        """Pair partial repairs, then the likeliest edits, with the commonest edits elsewhere."""
        seconds = [edit for edit in self._catalogue.edits(state.program) if edit.cost <= PAIR_COST]
        seconds.sort(key=plan.rank)
        seconds = seconds[:MAX_PAIR_EDITS]
        firsts = [partial.edit for partial in partials]
        with_partials = ((first, second) for second in seconds for first in firsts)
        diagonal = (
            (seconds[place - index], seconds[index])
            for place in range(1, 2 * len(seconds))
            for index in range(place // 2 + place % 2)
            if place - index < len(seconds)
        )
        for first, second in chain(with_partials, diagonal):
            if not first.overlaps(second):
                yield first, second

    def _limit(self, share: float) -> int:
        return self._bench.runs + int(self._spendable() * share)

    def _spendable(self) -> int:
        return max(0, self._bench.remaining_runs - self._reserved)


def _key(state: State, edits: Sequence[Edit]) -> bytes | None:
    keys = [state.program.variant_key(edit) for edit in edits]
    found = [key for key in keys if key is not None]
    return b"".join(found) if len(found) == len(keys) else None


def _spliced(data: bytes, edit: Edit) -> bytes:
    return data[: edit.start] + edit.text.encode() + data[edit.end :]
