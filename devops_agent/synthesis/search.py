"""The search: sweeps over ranked edits, gains combined, partial repairs completed.

A sweep tries edits one at a time on the current variant. Gains in different places are then put
together, each verified beside the others, and the next sweep starts from there: so programs with
several faults are mended one by one. Where a sweep gains nothing, partial repairs (edits that help
some case and hurt another) are guarded by conditions, and pairs of edits are tried.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain

from aem.artifact import Bundle
from devops_agent.synthesis.edits.catalogue import Catalogue
from devops_agent.synthesis.edits.completion import guarded
from devops_agent.synthesis.edits.site import Vocabulary
from devops_agent.synthesis.errors import BudgetExhaustedError
from devops_agent.synthesis.gains import Gain, Partial, adds_right_facts
from devops_agent.synthesis.history import sequenced
from devops_agent.synthesis.port import CaseScore
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

RETRY_PENALTY = 0.8
"""Added to the cost of edits that were tried on other probes, before the program changed."""

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


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Edits to try together.

    Attributes:
        edits: one, or two.
        is_retry: whether this is only for edits that were tried on other probes before.
    """

    edits: tuple[Edit, ...]
    is_retry: bool = False


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
        self._tried: dict[bytes, frozenset[str]] = {}
        self._rest: Iterator[Variant] = iter(())
        self._weights: dict[str, tuple[dict[str, CaseScore], float]] = {}
        self.partials: list[Partial] = []
        self.repairs: list[Gain] = []

    def sweep(self, state: State, plan: ProbePlan) -> Sequence[Gain]:
        """Try single edits on the state, the likeliest first; return those that help."""
        self.partials = []
        self._weights = {}
        ranked = sorted(self._catalogue.edits(state.program), key=plan.rank)  # a stable sort
        first = ((plan.rank(edit), Variant(edits=(edit,))) for edit in ranked)
        again = (
            (plan.rank(edit) + RETRY_PENALTY, Variant(edits=(edit,), is_retry=True))
            for edit in ranked
        )
        merged = merge(first, again, key=lambda pair: pair[0])
        self._rest = (variant for _, variant in merged)
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
        guarded_variants = (Variant(edits=(edit,)) for edit in guards)
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
        variants: Iterator[Variant],
        limit: int,
    ) -> Sequence[Gain]:
        gains: list[Gain] = []
        for variant in variants:
            try:
                gain = self._try(state, plan, variant)
            except BudgetExhaustedError:
                break
            if gain is not None:
                gains.append(gain)
                limit = self._noted(state, gain, limit)
            if self._bench.runs >= limit:
                break
        return gains

    def _noted(self, state: State, gain: Gain, limit: int) -> int:
        """Keep a full repair, after the first of which the search goes on only a little."""
        if len(gain.scores) < len(state.scores) or total_loss(gain.scores) > EPSILON:
            return limit
        if not self.repairs:
            more = max(MIN_ALTERNATIVE_RUNS, int(self._bench.runs * ALTERNATIVES_SHARE))
            limit = min(limit, self._bench.runs + more)
        self.repairs.append(gain)
        return limit

    def _try(self, state: State, plan: ProbePlan, variant: Variant) -> Gain | None:
        edits = variant.edits
        probes = self._untried(state, variant, plan.probes(edits[0]))
        if not probes:
            return None
        # The variant's key has shown that each edit compiles; two in one statement may not.
        bundle = state.bundle.replace(state.program.splice(edits))
        self._bench.count(edits[-1].family)
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
        return self._estimated(state, plan, edits, bundle, known)

    def _estimated(
        self,
        state: State,
        plan: ProbePlan,
        edits: tuple[Edit, ...],
        bundle: Bundle,
        known: Scores,
    ) -> Gain | None:
        """Weigh an edit on a sample of the cases that it concerns.

        Edits that do the same to the probes are weighed once. Edits that only take wrong facts
        away are weighed on the probes alone, for they are the last resort.
        """
        if not is_harmless(state.scores, known):
            return None
        effect = json.dumps([[case_id, known[case_id].output] for case_id in known])
        if effect not in self._weights:
            scores = dict(known)
            concerned = plan.concerned(edits[0])
            if self._adds_right_facts(state, known):
                guards = self._bench.guards(state.scores)[:SAMPLE_GUARDS]
                if self._bench.guarded(state.scores, bundle, guards) is None:
                    return None
                sample = [case_id for case_id in concerned if case_id not in known][:SAMPLE_CASES]
                scores.update(self._bench.run(bundle, sample) if sample else {})
            less = total_loss(state.scores, list(scores)) - total_loss(scores)
            worth = (less - harm(state.scores, scores)) * len(concerned) / len(scores)
            self._weights[effect] = (scores, worth)
        scores, worth = self._weights[effect]
        return self._weighed(state, edits, scores, worth) if worth > EPSILON else None

    def _adds_right_facts(self, state: State, scores: Scores) -> bool:
        return any(
            adds_right_facts(self._dictionary, self._cases[case_id], state.scores[case_id], score)
            for case_id, score in scores.items()
            if score.loss < state.scores[case_id].loss - EPSILON
        )

    def _weighed(
        self, state: State, edits: tuple[Edit, ...], scores: Scores, worth: float
    ) -> Gain:
        adds = self._adds_right_facts(state, scores)
        return Gain(edits=edits, scores=scores, worth=worth, is_constructive=adds)

    def _untried(self, state: State, variant: Variant, probes: Sequence[str]) -> Sequence[str]:
        """Return the probes that are still to be run; none for a variant that is not new."""
        key = _key(state, variant.edits)
        if key is None or (key in self._tried) != variant.is_retry:
            return ()
        before = self._tried.get(key, frozenset())
        self._tried[key] = before.union(probes)
        return [case_id for case_id in probes if case_id not in before]

    def _reconsider(self, state: State, variants: Iterable[Sequence[Edit]]) -> None:
        """Let variants that helped be tried again once the program around them has changed."""
        for edits in variants:
            key = _key(state, edits)
            if key is not None:
                self._tried.pop(key, None)

    def _pairs(
        self, state: State, plan: ProbePlan, partials: Sequence[Partial]
    ) -> Iterator[Variant]:
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
                yield Variant(edits=(first, second))

    def _limit(self, share: float) -> int:
        return self._bench.runs + int(self._spendable() * share)

    def _spendable(self) -> int:
        return max(0, self._bench.remaining_runs - self._reserved)


def _key(state: State, edits: Sequence[Edit]) -> bytes | None:
    keys = [state.program.variant_key(edit) for edit in edits]
    found = [key for key in keys if key is not None]
    return b"".join(found) if len(found) == len(keys) else None
