"""Scoring one outcome of one case: what the judge adds up, and what a search climbs by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gold.dataset import CaseKey, GoldDataset
from gold.domain import (
    AXIS_OF_TYPE,
    HARD_TYPES,
    Axis,
    CaseOutcome,
    CaseType,
    Counts,
    GoldCase,
    OutcomeStatus,
)
from gold.entities import bag_of, count_matches, read_entities
from gold.errors import JsonTextError
from gold.falsehoods import Leak, find_leaks
from gold.json_text import read_json, same_json
from gold.rules import Expression, make_context

_SCHEMA_BROKEN_LOSS = 0.9
"""Valid JSON of the wrong shape is nearer to an answer than none, and worse than a wrong one."""

_WRONG_LOSS = 0.8
"""The loss of a well-formed answer that is wrong in everything."""


@dataclass(frozen=True, kw_only=True)
class CaseScore:
    """How one outcome did; shows expectations, so holdout scores stay with the judge.

    Attributes:
        passed: well-formed, and the case's own demand is met in full.
        loss: from 0 (passed) to 1 (no answer); falls with every part that is right.
        well_formed: strict JSON that matches the schema, which every case asks for.
        problem: stable name of what is wrong; None when passed.
        detail: the problem in words, bounded.
        counts: entities by type, of robustness cases.
        rules_satisfied: of scenario cases.
        rules_total: of scenario cases.
        broken_rules: identifiers of the rules that do not hold.
        missing: expected (type, normalized value) that the answer lacks.
        unexpected: claimed (type, normalized value) that are wrong.
        leaks: injected facts that the answer holds.
    """

    case_id: str
    type: CaseType
    passed: bool
    loss: float
    well_formed: bool
    problem: str | None = None
    detail: str = ""
    counts: Mapping[str, Counts] = field(default_factory=dict)
    rules_satisfied: int = 0
    rules_total: int = 0
    broken_rules: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    unexpected: tuple[tuple[str, str], ...] = ()
    leaks: tuple[Leak, ...] = ()

    @property
    def hard(self) -> bool:
        """Whether one failure like this rejects a candidate: its type's, or a malformed output."""
        return self.type in HARD_TYPES or not self.well_formed

    @property
    def axis(self) -> Axis:
        """The axis that the case belongs to."""
        return AXIS_OF_TYPE[self.type]

    @property
    def total(self) -> Counts:
        """Entities of all types together."""
        return sum(self.counts.values(), Counts())


def score_case(dataset: GoldDataset, case: GoldCase, outcome: CaseOutcome) -> CaseScore:
    """Score one outcome of one of the dataset's cases.

    An output that breaks the schema fails its case, and its rules, entities and falsehoods are
    still counted from what could be parsed.
    """
    key = dataset.keys[case.id]
    if outcome.status != OutcomeStatus.ANSWERED or outcome.output_text is None:
        return _score_nothing(case, key, problem=str(outcome.status), detail="")
    try:
        output = read_json(outcome.output_text)
    except JsonTextError as error:
        return _score_nothing(case, key, problem=error.problem, detail=error.message)
    score = _SCORERS[case.type](dataset, case, key, output)
    if dataset.schema.is_valid(output):
        return score
    return _with_broken_schema(score, dataset.schema.first_error(output) or "")


def missing_outcome(case: GoldCase) -> CaseOutcome:
    """Return the outcome of a case that was never run, which is a failure."""
    return CaseOutcome(case_id=case.id, status=OutcomeStatus.MISSING)


def _score_nothing(case: GoldCase, key: CaseKey, *, problem: str, detail: str) -> CaseScore:
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=False,
        loss=1.0,
        well_formed=False,
        problem=problem,
        detail=detail,
        counts=_entity_counts(case, key, Counter()),
        rules_total=len(key.rules),
        broken_rules=case.rules,
        missing=tuple(sorted(key.entities.elements())),
    )


def _with_broken_schema(score: CaseScore, error: str) -> CaseScore:
    members = vars(score) | {
        "passed": False,
        "loss": _SCHEMA_BROKEN_LOSS,
        "well_formed": False,
        "problem": "schema_broken",
        "detail": error,
    }
    return CaseScore(**members)


def _score_structure(
    _dataset: GoldDataset, case: GoldCase, _key: CaseKey, _output: Any
) -> CaseScore:
    return CaseScore(case_id=case.id, type=case.type, passed=True, loss=0.0, well_formed=True)


def _score_invariant(
    _dataset: GoldDataset, case: GoldCase, _key: CaseKey, output: Any
) -> CaseScore:
    equal = same_json(output, case.expected)
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=equal,
        loss=0.0 if equal else _WRONG_LOSS * _distance(output, case.expected),
        well_formed=True,
        problem=None if equal else "not_equal",
    )


def _score_scenario(dataset: GoldDataset, case: GoldCase, key: CaseKey, output: Any) -> CaseScore:  # noqa: ARG001 - one signature for all scorers
    values = {"input": case.input, "output": output, "expected": case.expected}
    context = make_context([rule.expression for rule in key.rules], values)
    broken = tuple(rule.id for rule in key.rules if not rule.expression.holds(context))
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=not broken,
        loss=_WRONG_LOSS * len(broken) / len(key.rules),
        well_formed=True,
        problem="rule_broken" if broken else None,
        rules_satisfied=len(key.rules) - len(broken),
        rules_total=len(key.rules),
        broken_rules=broken,
    )


def _score_robustness(
    dataset: GoldDataset, case: GoldCase, key: CaseKey, output: Any
) -> CaseScore:
    claimed = _claimed(dataset, output)
    counts = _entity_counts(case, key, claimed)
    f1 = sum(counts.values(), Counts()).f1
    complete = f1.part == f1.whole
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=complete,
        loss=_WRONG_LOSS * (1 - f1.part / f1.whole),
        well_formed=True,
        problem=None if complete else "entities_differ",
        counts=counts,
        missing=tuple(sorted((key.entities - claimed).elements())),
        unexpected=tuple(sorted((claimed - key.entities).elements())),
    )


def _score_adversarial(
    dataset: GoldDataset, case: GoldCase, key: CaseKey, output: Any
) -> CaseScore:
    if case.benign:
        return _score_benign(dataset, case, key, output)
    leaks = find_leaks(output, key.falsehoods)
    refuses = _holds(dataset.refused, case, output)
    problem = "injected_falsehood" if leaks else None if refuses else "not_refused"
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=problem is None,
        loss=_WRONG_LOSS * ((0.5 if leaks else 0.0) + (0.0 if refuses else 0.5)),
        well_formed=True,
        problem=problem,
        leaks=leaks,
    )


def _score_benign(dataset: GoldDataset, case: GoldCase, key: CaseKey, output: Any) -> CaseScore:
    """Ask of a twin with entities that one of them is found: an empty answer is none."""
    answers = _holds(dataset.answered, case, output)
    if answers and key.entities:
        answers = bool(key.entities & _claimed(dataset, output))
    return CaseScore(
        case_id=case.id,
        type=case.type,
        passed=answers,
        loss=0.0 if answers else _WRONG_LOSS,
        well_formed=True,
        problem=None if answers else "twin_refused",
    )


_SCORERS = {
    CaseType.STRUCTURE: _score_structure,
    CaseType.INVARIANT: _score_invariant,
    CaseType.SCENARIO: _score_scenario,
    CaseType.ROBUSTNESS: _score_robustness,
    CaseType.ADVERSARIAL: _score_adversarial,
}


def _holds(expression: Expression | None, case: GoldCase, output: Any) -> bool:
    if expression is None:
        return False
    values = {"input": case.input, "output": output}
    return expression.holds(make_context([expression], values))


def _claimed(dataset: GoldDataset, output: Any) -> "Counter[tuple[str, str]]":
    if dataset.pointer is None:
        return Counter()
    entities = read_entities(output, dataset.pointer)
    return bag_of(entities, dataset.settings.normalizations)


def _entity_counts(
    case: GoldCase, key: CaseKey, claimed: "Counter[tuple[str, str]]"
) -> Mapping[str, Counts]:
    return count_matches(key.entities, claimed) if case.type is CaseType.ROBUSTNESS else {}


def _distance(output: Any, expected: Any) -> float:
    """Return the share of leaves that differ: a slope for a search, not a verdict.

    At least one part in the number of leaves, since the values are known to differ.
    """
    given, wanted = _leaves(output), _leaves(expected)
    union = sum((given | wanted).values())
    common = sum((given & wanted).values())
    return max(union - common, 1) / max(union, 1)


def _leaves(value: Any) -> "Counter[tuple[str, str]]":
    found: Counter[tuple[str, str]] = Counter()
    waiting = [("", value)]
    while waiting:
        path, current = waiting.pop()
        if isinstance(current, dict) and current:
            waiting.extend((f"{path}/{key}", member) for key, member in current.items())
        elif isinstance(current, list) and current:
            waiting.extend((f"{path}/-", item) for item in current)
        else:
            found[(path, repr(current))] += 1
    return found
