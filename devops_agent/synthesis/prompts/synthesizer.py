"""The synthesizer of prompts: constraint, demonstrations, instructions; races decide."""

import json
import math
import random
from collections.abc import Callable, Iterable
from contextlib import suppress

from aem.artifact import ArtifactKind
from devops_agent.synthesis.errors import BudgetExhaustedError, UnsupportedKindError
from devops_agent.synthesis.port import (
    Candidate,
    SynthesisContext,
    SynthesisResult,
    SynthesisStatistics,
    Tools,
)
from devops_agent.synthesis.prompts import moves
from devops_agent.synthesis.prompts.pool import Material, gather
from devops_agent.synthesis.prompts.race import (
    EPSILON,
    Races,
    combined,
    hard_failures,
)
from devops_agent.synthesis.prompts.variant import Variant, differences

RUNS_MOST = 600
"""Case runs of one search, each a model call that the buyer pays; races rarely need so many."""

EXCHANGES_MOST = 4
"""Demonstrations that one race tries to add, to replace and to hide."""

ROUNDS_MOST = 12


class PromptSearchSynthesizer:
    """Searches prompts; no model proposes anything, the same context gives the same result."""

    name = "prompt-search"
    asks_model = False
    kinds = frozenset({ArtifactKind.PROMPT})

    def synthesize(self, context: SynthesisContext, tools: Tools) -> SynthesisResult:
        """Race variants until none is better or the budget ends (see `Synthesizer`)."""
        if context.bundle.manifest.prompt is None:
            kind = context.bundle.manifest.kind.value
            raise UnsupportedKindError(f"prompt-search works on prompts, not on {kind} artifacts")
        return _Search(context, tools).run()


class _Search:
    def __init__(self, context: SynthesisContext, tools: Tools) -> None:
        self._context = context
        output = json.loads(context.bundle.files[context.bundle.manifest.output_schema])
        self._schemas = moves.Schemas(output=output)
        self._material: Material = gather(context, output)
        self._generator = random.Random(context.seed)  # noqa: S311 - a search, no secret
        self._races = Races(context, tools, self._material.cases, runs_most=RUNS_MOST)
        self._baseline_loss = 0.0

    def run(self) -> SynthesisResult:
        if not self._material.cases:
            return self._nothing("there are no dev cases to learn from")
        try:
            baseline = self._races.baseline()
        except BudgetExhaustedError:
            return self._nothing("the run budget does not cover the dev cases once")
        self._baseline_loss = sum(score.loss for score in baseline.values())
        if self._baseline_loss <= EPSILON:
            return self._nothing("every dev case passes already")
        with suppress(BudgetExhaustedError):  # what was found until here counts
            self._race()
        return self._found()

    def _race(self) -> None:
        """Take the moves that gain the most first: a budget may end anywhere."""
        races, pool = self._races, self._material.demonstrations
        races.run("constraining", self._constraints())
        races.run("demonstrating", self._sets())
        stages: tuple[tuple[str, Callable[[], Iterable[Variant]]], ...] = (
            (
                "exchanging",
                lambda: moves.exchanges(races.best, pool, self._generator, most=EXCHANGES_MOST),
            ),
            (
                "instructing",
                lambda: combined(
                    moves.instructions(races.best, self._schemas),
                    self._constraints(),
                    self._longer(),
                ),
            ),
        )
        fruitless = 0
        while fruitless < len(stages) and races.rounds < ROUNDS_MOST and not races.is_over:
            stage, variants = stages[races.rounds % len(stages)]
            fruitless = 0 if races.run(stage, variants()) else fruitless + 1

    def _constraints(self) -> Iterable[Variant]:
        pool = self._material.demonstrations
        return moves.constraints(self._races.best, self._schemas, pool)

    def _longer(self) -> Iterable[Variant]:
        """Longer replies help only what was cut off, which is no answer."""
        is_failing = hard_failures(self._races.best_scores.values()) > 0
        return moves.longer_replies(self._races.best) if is_failing else ()

    def _sets(self) -> Iterable[Variant]:
        """Demonstrations repeat the user's message: an instruction in it is better split off."""
        best = self._races.best
        parts = moves.split(best.messages)
        base = best if parts is None else best.moved("split", messages=parts)
        variants = list(moves.sets(base, self._material.demonstrations, self._generator))
        step = math.ceil(len(variants) / self._races.affordable_field)
        return variants[:: max(1, step)]  # some of every size

    def _found(self) -> SynthesisResult:
        races = self._races
        if not races.best.moves:
            return self._nothing("no variant within the budget lowers the dev loss")
        found = races.sound()
        if found is None:
            return self._nothing("every variant that gains loses one type of entity")
        loss = sum(score.loss for score in races.scores_of(found).values())
        bundle = races.bundle_of(found)
        candidate = Candidate(
            bundle=bundle,
            rationale=(
                f"On {races.cases} dev cases, none of them shown to the model, the loss fell from"
                f" {self._baseline_loss:.2f} to {loss:.2f}. Moves: {', '.join(found.moves)}."
                f" {len(found.demonstrations)} demonstrations are shown."
            ),
            dev_loss=loss,
            edits=differences(self._context.bundle, bundle),
        )
        return SynthesisResult(candidates=(candidate,), statistics=self._statistics(loss))

    def _nothing(self, reason: str) -> SynthesisResult:
        statistics = self._statistics(self._baseline_loss)
        return SynthesisResult(candidates=(), statistics=statistics, reason=reason)

    def _statistics(self, best_loss: float) -> SynthesisStatistics:
        return SynthesisStatistics(
            runs=self._races.runs,
            variants=self._races.variants,
            rounds=self._races.rounds,
            baseline_loss=self._baseline_loss,
            best_loss=best_loss,
            families=dict(sorted(self._races.families.items())),
        )
