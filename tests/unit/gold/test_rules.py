from typing import Any

import pytest

from gold.limits import MAX_EXPRESSION_CHARACTERS
from gold.rules import (
    REFUSAL_VARIABLES,
    RULE_VARIABLES,
    Expression,
    UnusableExpressionError,
    make_context,
)


def holds(source: str, **values: Any) -> bool:
    expression = Expression(source, variables=RULE_VARIABLES)
    everything = {"input": None, "output": None, "expected": None, **values}
    return expression.holds(make_context([expression], everything))


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("output.refusal == null", {"refusal": None}, True),
        ("output.refusal == null", {"refusal": {"reason": "x"}}, False),
        ("output.entities.exists(e, e.type == 'a')", {"entities": [{"type": "a"}]}, True),
        ("output.entities.exists(e, e.type == 'a')", {"entities": []}, False),
        ("output.text.matches('^[a-z]+$')", {"text": "abc"}, True),
        ("type(output.count) == int", {"count": 1}, True),
        ("has(output.a) && output.a > 1", {}, False),
    ],
)
def test_expressions(source: str, output: object, *, expected: bool) -> None:
    assert holds(source, output=output) is expected


@pytest.mark.parametrize(
    "output",
    [
        {},
        None,
        [],
        {"count": "1"},
        {"count": 2**63 - 1},
        {"count": None},
    ],
)
def test_an_error_while_evaluating_is_not_true(output: object) -> None:
    assert holds("output.count + 1 > 0", output=output) is False


def test_a_value_that_is_not_boolean_is_not_true() -> None:
    assert holds("1") is False
    assert holds("'true'") is False


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("output.a ==", "parse"),
        ("outptu.a == 1", "did you mean 'output'"),
        ("output.a.startWith('x')", "did you mean 'startsWith'"),
        ("output.a.lowerAscii() == 'x'", "unknown function"),
        ("1 == " + "1" * MAX_EXPRESSION_CHARACTERS, "characters"),
        (
            "output.all(a, output.all(b, output.all(c, output.all(d, output.all(e, true)))))",
            "loops",
        ),
        ("(" * 200 + "1" + ")" * 200, "parse"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused(source: str, hint: str) -> None:
    with pytest.raises(UnusableExpressionError, match=hint):
        Expression(source, variables=RULE_VARIABLES)


def test_refusal_expressions_do_not_see_expectations() -> None:
    with pytest.raises(UnusableExpressionError, match="expected"):
        Expression("output.a == expected", variables=REFUSAL_VARIABLES)


def test_only_used_values_are_converted() -> None:
    expression = Expression("output == 1", variables=RULE_VARIABLES)
    context = make_context([expression], {"output": 1, "input": "\ud800", "expected": None})
    assert expression.holds(context)


def test_loops_that_a_candidate_makes_long_are_not_run() -> None:
    nested = "output.l.all(a, output.l.all(b, a + b >= 0))"
    assert holds(nested, output={"l": [1] * 900})
    assert not holds(nested, output={"l": [1] * 1_100})
    assert not holds(nested, output={"l": [1] * 100_000})
    assert holds("output.l.all(a, a >= 0)", output={"l": [1] * 100_000})
