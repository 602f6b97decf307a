"""Races: variants are scored on a few cases, the worse are dropped, the rest go on to more."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from aem.artifact import Bundle
from devops_agent.synthesis.port import CaseScore, DevCase, Progress, SynthesisContext, Tools
from devops_agent.synthesis.prompts.entities import worsening
from devops_agent.synthesis.prompts.variant import Variant, read_variant, write_variant

CASES_MOST = 16
"""Scoring costs a model call a case: more would leave no runs for variants."""

FIRST_CASES = 4
"""Of the first heat; the next ones have twice as many."""

KEPT_SHARE = 3
"""One in so many variants goes on to the next heat."""

FIRST_HEAT_SHARE = 3
"""A first heat takes one in so many of the runs that are left, where its field can be cut."""

HARD_PENALTY = 1.0
"""On top of a hard failure's loss: one of those rejects a candidate whatever it gains."""

EPSILON = 1e-9

Scores = Mapping[str, CaseScore]


def cost(scores: Iterable[CaseScore]) -> float:
    """Sum losses and penalties."""
    return sum(score.loss + (HARD_PENALTY if _fails_hard(score) else 0.0) for score in scores)


def hard_failures(scores: Iterable[CaseScore]) -> int:
    """Count what alone would reject."""
    return sum(map(_fails_hard, scores))


class Races:
    """Runs variants of one prompt against each other and keeps the best."""

    def __init__(
        self, context: SynthesisContext, tools: Tools, cases: Sequence[DevCase], *, runs_most: int
    ) -> None:
        """Keep the collaborators; nothing is run."""
        self._bundle = context.bundle
        self._tools = tools
        self._cases = cases[:CASES_MOST]
        self._case_ids = [case.id for case in self._cases]
        self._runs_most = runs_most
        self._runs = 0
        self._known: dict[str, dict[str, CaseScore]] = {}
        self._variants: dict[str, Variant] = {}
        self.families: Counter[str] = Counter()
        self.rounds = 0
        self.stage = "baseline"
        self.incumbent = self.best = read_variant(context.bundle)

    @property
    def runs(self) -> int:
        """Case runs used so far."""
        return self._runs

    @property
    def variants(self) -> int:
        """Distinct variants run so far."""
        return len(self._known)

    @property
    def is_over(self) -> bool:
        """Whether the search has used what it may."""
        return self._left < FIRST_CASES

    @property
    def affordable_field(self) -> int:
        """How many variants may start in a race that leaves runs for its end and for others."""
        return max(KEPT_SHARE, self._left // (FIRST_HEAT_SHARE * FIRST_CASES))

    @property
    def _left(self) -> int:
        return min(self._tools.evaluator.remaining_runs, self._runs_most - self._runs)

    @property
    def cases(self) -> int:
        """How many cases score."""
        return len(self._case_ids)

    @property
    def best_scores(self) -> Scores:
        """Scores of the best variant so far, on all cases."""
        return self._known[self.best.key()]

    def baseline(self) -> Scores:
        """Run the incumbent on all cases.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        return self._measured(self.best, len(self._case_ids))

    def sound(self) -> Variant | None:
        """Return the best variant that gains on all cases and takes from no type of entity."""
        before = self._known[self.incumbent.key()]
        found = [
            (cost(scores.values()), self._variants[key])
            for key, scores in self._known.items()
            if len(scores) == len(self._case_ids)
            and cost(scores.values()) < cost(before.values()) - EPSILON
            and hard_failures(scores.values()) <= hard_failures(before.values())
            and worsening(self._cases, before, scores) <= EPSILON
        ]
        return min(found, key=lambda each: each[0])[1] if found else None

    def scores_of(self, variant: Variant) -> Scores:
        """Return what is known of a variant that was run."""
        return self._known[variant.key()]

    def bundle_of(self, variant: Variant) -> Bundle:
        """Return a variant's files."""
        return write_variant(self._bundle, variant)

    def run(self, stage: str, variants: Iterable[Variant]) -> bool:
        """Race variants; the winner becomes the best if it beats it on all cases.

        Returns:
            Whether there is a new best one.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        self.stage = stage
        self.rounds += 1
        field = list({each.key(): each for each in variants}.values())
        field = [each for each in field if each.key() != self.best.key()]
        heat = min(FIRST_CASES, len(self._case_ids))
        while field and not self.is_over:
            field = self._heat(field, heat)
            if heat == len(self._case_ids):
                return self._take(field[0])
            field = field[: 1 + (len(field) - 1) // KEPT_SHARE]
            heat = len(self._case_ids) if len(field) == 1 else min(2 * heat, len(self._case_ids))
        return False

    def _heat(self, field: Sequence[Variant], cases: int) -> list[Variant]:
        """Run all on the first cases; those that cannot win any more stop early, and come last."""
        results = []
        for place, variant in enumerate(field):
            scores = self._measured(variant, cases)
            is_whole = len(scores) >= cases
            seen = {
                case_id: scores[case_id] for case_id in self._case_ids[:cases] if case_id in scores
            }
            results.append((not is_whole, self._objective(seen), place, variant))
            if self.is_over:
                break
        return [variant for *_, variant in sorted(results, key=lambda result: result[:3])]

    def _measured(self, variant: Variant, cases: int) -> dict[str, CaseScore]:
        """Run what was not run yet of the first cases; a last heat ends when it is lost."""
        known = self._known.get(variant.key())
        if known is None:
            known = self._known[variant.key()] = {}
            self._variants[variant.key()] = variant
            self.families[_family(variant)] += 1
        ids = [case_id for case_id in self._case_ids[:cases] if case_id not in known]
        is_last = cases == len(self._case_ids) and variant.key() != self.best.key()
        allowed = self._objective(self.best_scores) - cost(known.values()) if is_last else None
        if ids and (allowed is None or allowed > 0):
            bundle = self.bundle_of(variant)
            found = self._tools.evaluator.evaluate(bundle, ids, stop_above=allowed).scores
            self._runs += len(found)
            known.update(found)
        self._tell()
        return known

    def _take(self, variant: Variant) -> bool:
        scores = self._known[variant.key()]
        before = self.best_scores
        if len(scores) < len(self._case_ids):
            return False
        if self._objective(scores) >= self._objective(before) - EPSILON:
            return False
        self.best = variant
        self._tell()
        return True

    def _objective(self, scores: Scores) -> float:
        """Return what races minimize: cost, and what types of entities lose to the incumbent."""
        lost = worsening(self._cases, self._known[self.incumbent.key()], scores)
        return cost(scores.values()) + lost

    def _tell(self) -> None:
        scores = self._known.get(self.best.key(), {})
        self._tools.progress(
            Progress(
                stage=self.stage,
                runs=self._runs,
                loss=sum(score.loss for score in scores.values()),
                variants=self.variants,
            )
        )


def combined(*sources: Iterable[Variant]) -> list[Variant]:
    """Return the variants of several moves in one field."""
    return [variant for source in sources for variant in source]


def _fails_hard(score: CaseScore) -> bool:
    return score.hard and score.loss > EPSILON


def _family(variant: Variant) -> str:
    """Name the last move without its number."""
    return variant.moves[-1].rstrip("-0123456789") if variant.moves else "incumbent"
