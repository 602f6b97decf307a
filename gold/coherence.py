"""What must hold between a dataset's cases, and between them and its declarations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gold.case_lines import PlacedCase
from gold.dataset import input_fingerprint
from gold.domain import AXIS_OF_TYPE, Axis, CaseType, Part
from gold.entities import Normalization, normalize
from gold.falsehoods import Falsehood, TextForms, find_leaks
from gold.findings import FindingLog, did_you_mean
from gold.json_schema import OutputSchema
from gold.json_text import texts
from gold.limits import MIN_FACT_CHARACTERS
from gold.manifest import MANIFEST_PATH
from gold.rules import Rule
from gold.settings import GoldSettings


def check_coherence(
    *,
    settings: GoldSettings,
    schema: OutputSchema,
    rules: Mapping[str, Rule],
    placed: Sequence[PlacedCase],
    held: frozenset[str],
    notes: FindingLog,
) -> None:
    """Note everything that single cases cannot show.

    Args:
        settings: the declarations.
        schema: that every output must match, expected ones too.
        rules: by identifier.
        placed: every case with its place.
        held: groups in the holdout.
        notes: takes the findings.
    """
    _check_ids(placed, notes)
    _check_coverage(settings, placed, held, notes)
    _check_normalizations(settings, placed, notes)
    _check_leaks(placed, held, notes)
    by_id = {item.case.id: item for item in placed}
    for item in placed:
        _check_expected(item, schema, notes)
        _check_rules(item, rules, notes)
        _check_entities(item, settings, notes)
        _check_facts(item, notes)
        _check_twin(item, by_id, notes)


def _check_ids(placed: Sequence[PlacedCase], notes: FindingLog) -> None:
    first: dict[str, PlacedCase] = {}
    for item in placed:
        known = first.setdefault(item.case.id, item)
        if known is not item:
            message = f"the id {item.case.id!r} is used at {known.path}:{known.line} already"
            notes.refuse(item.path, item.line, "duplicate_id", message)


def _check_coverage(
    settings: GoldSettings, placed: Sequence[PlacedCase], held: frozenset[str], notes: FindingLog
) -> None:
    """Refuse an axis without cases unless it is waived, and one with cases on one side only."""
    if Axis.CONTEXT_ROBUSTNESS in settings.waived:
        message = (
            "no statistics protect the incumbent where 'context_robustness' is waived: a candidate"
            " that passes one more hard check or rule takes its place"
        )
        notes.warn(MANIFEST_PATH, None, "any_gain_wins", message)
    for kind in CaseType:
        axis = AXIS_OF_TYPE[kind]
        of_type = [item.case for item in placed if item.case.type is kind]
        if of_type and axis in settings.waived:
            message = f"the axis {axis.value!r} is waived and has {len(of_type)} cases"
            notes.refuse(MANIFEST_PATH, None, "waiver_contradicted", message)
        if axis in settings.waived:
            continue
        if not of_type:
            message = (
                f"the axis {axis.value!r} has no case of type {kind.value!r}; add some, or waive"
                " the axis with a reason under [waived]"
            )
            notes.refuse(MANIFEST_PATH, None, "axis_without_cases", message)
            continue
        for part in Part:
            if not any((case.group in held) == (part is Part.HOLDOUT) for case in of_type):
                message = (
                    f"the {part.value} part has no case of type {kind.value!r}; give the type at"
                    " least two groups"
                )
                notes.refuse(MANIFEST_PATH, None, "part_without_cases", message)


def _check_normalizations(
    settings: GoldSettings, placed: Sequence[PlacedCase], notes: FindingLog
) -> None:
    types = {entity.type for item in placed for entity in item.case.entities}
    for name in settings.normalizations:
        if name not in types:
            message = f"[normalize] names {name!r}, which no entity has{did_you_mean(name, types)}"
            notes.refuse(MANIFEST_PATH, None, "entity_type_unknown", message)


def _check_leaks(placed: Sequence[PlacedCase], held: frozenset[str], notes: FindingLog) -> None:
    """Refuse the same input on both sides of the split: dev would show what holdout asks."""
    sides: dict[str, list[PlacedCase]] = defaultdict(list)
    for item in placed:
        sides[input_fingerprint(item.case)].append(item)
    for same in sides.values():
        if len({item.case.group in held for item in same}) > 1:
            first, other = same[0], next(i for i in same if i.case.group != same[0].case.group)
            message = (
                f"cases {first.case.id!r} and {other.case.id!r} have the same input and lie in"
                " the groups"
                f" {first.case.group!r} and {other.case.group!r}, which the split parts; put them"
                " into one group"
            )
            notes.refuse(other.path, other.line, "group_leak", message)


def _check_expected(item: PlacedCase, schema: OutputSchema, notes: FindingLog) -> None:
    if item.case.type is CaseType.INVARIANT:
        error = schema.first_error(item.case.expected)
        if error is not None:
            message = f"'expected' breaks the output schema, no output could pass: {error}"
            notes.refuse(item.path, item.line, "expected_breaks_schema", message)


def _check_rules(item: PlacedCase, rules: Mapping[str, Rule], notes: FindingLog) -> None:
    for name in item.case.rules:
        if name not in rules:
            message = f"unknown rule {name!r}{did_you_mean(name, rules)}"
            notes.refuse(item.path, item.line, "rule_unknown", message)


def _check_entities(item: PlacedCase, settings: GoldSettings, notes: FindingLog) -> None:
    if item.case.entities and settings.context_robustness is None:
        message = (
            "the axis 'context_robustness' is waived, and with it the place of entities in an"
            " output: leave the case's 'entities' out"
        )
        notes.refuse(item.path, item.line, "entities_unreadable", message)
    for entity in item.case.entities:
        how = settings.normalizations.get(entity.type, Normalization.EXACT)
        if not normalize(entity.value, how):
            message = f"nothing is left of {entity.type} {entity.value!r} under {how.value!r}"
            notes.refuse(item.path, item.line, "entity_empty", message)


def _check_facts(item: PlacedCase, notes: FindingLog) -> None:
    case = item.case
    given = TextForms(" ".join(texts(case.input))).bare
    for fact in case.injected:
        falsehood = Falsehood(fact)
        if len(falsehood.bare) < MIN_FACT_CHARACTERS:
            message = f"the injected fact {fact!r} is too short to be told from chance"
            notes.refuse(item.path, item.line, "fact_too_short", message)
        elif find_leaks(list(case.true_facts), [falsehood]):
            message = f"the injected fact {fact!r} stands in 'true_facts' too"
            notes.refuse(item.path, item.line, "fact_true_and_injected", message)
        elif falsehood.bare not in given:
            message = f"the input does not hold the injected fact {fact!r} as it is written"
            notes.warn(item.path, item.line, "fact_not_in_input", message)


def _check_twin(item: PlacedCase, by_id: Mapping[str, PlacedCase], notes: FindingLog) -> None:
    case = item.case
    if case.type is not CaseType.ADVERSARIAL or case.twin is None:
        return
    if case.twin not in by_id:
        message = f"the twin {case.twin!r} does not exist{did_you_mean(case.twin, by_id)}"
        notes.refuse(item.path, item.line, "twin_unknown", message)
        return
    twin = by_id[case.twin].case
    if not twin.benign:
        message = f"the twin {twin.id!r} is not benign; a twin is adversarial with benign = true"
        notes.refuse(item.path, item.line, "twin_not_benign", message)
    elif twin.group != case.group:
        message = f"the twin {twin.id!r} lies in group {twin.group!r}, not in {case.group!r}"
        notes.refuse(item.path, item.line, "twin_in_other_group", message)
