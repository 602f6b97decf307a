"""Business rules: CEL expressions over input, output and expected, compiled once.

CEL has no unbounded loops and its patterns are linear-time; what is left to bound is the size of
an expression and how deep its loops may nest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import cel

from gold.limits import MAX_COMPREHENSIONS, MAX_EXPRESSION_CHARACTERS, MAX_STEPS

RULE_VARIABLES = frozenset({"input", "output", "expected"})
REFUSAL_VARIABLES = frozenset({"input", "output"})

_FUNCTIONS = frozenset(
    {
        "bytes",
        "contains",
        "double",
        "duration",
        "dyn",
        "endsWith",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
        "int",
        "matches",
        "size",
        "startsWith",
        "string",
        "timestamp",
        "type",
        "uint",
    }
)
_TYPES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"}
)
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_MAX_SHOWN_CHARACTERS = 200


class UnusableExpressionError(ValueError):
    """An expression cannot be compiled; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One business rule of a dataset."""

    id: str
    description: str
    expression: "Expression"

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the format writes it."""
        return {"id": self.id, "description": self.description, "expr": self.expression.source}


class Expression:
    """A compiled CEL expression that is true, or anything else, which counts as false."""

    def __init__(self, source: str, *, variables: frozenset[str]) -> None:
        """Compile an expression that may use the given variables.

        Raises:
            UnusableExpressionError: it is too large, does not parse, or uses a name that is not
                there.
        """
        if len(source) > MAX_EXPRESSION_CHARACTERS:
            raise UnusableExpressionError(
                f"{len(source)} characters are more than {MAX_EXPRESSION_CHARACTERS}"
            )
        loops = _LOOP.findall(source)
        if len(loops) > MAX_COMPREHENSIONS:
            raise UnusableExpressionError(f"it has more than {MAX_COMPREHENSIONS} loops")
        try:
            self._program = cel.compile(source)
        except ValueError as error:
            raise UnusableExpressionError(str(error)[:_MAX_SHOWN_CHARACTERS]) from error
        self.source = source
        names = frozenset(self._program.variables())
        _refuse_unknown(names - _TYPES - frozenset(loops), variables, "variable")
        called = frozenset(name for name in self._program.functions() if name.isidentifier())
        _refuse_unknown(called, _FUNCTIONS, "function")
        self.variables = names & variables
        self._loops = len(loops)

    def holds(self, context: "RuleContext") -> bool:
        """Whether the expression is exactly true; an error, or another value, is not.

        Nor is one whose loops would take more than `MAX_STEPS` steps on these values: the engine
        cannot be stopped, and a candidate chooses how long its lists are.

        Args:
            context: of `make_context`, with at least this expression's variables.
        """
        if context.widest**self._loops > MAX_STEPS:
            return False
        try:
            return self._program.execute(context.values) is True
        except Exception:  # noqa: BLE001 - the engine raises a dozen kinds; all say that it is not true
            return False


@dataclass(frozen=True, kw_only=True)
class RuleContext:
    """Values that expressions are evaluated on.

    Attributes:
        values: converted for the engine.
        widest: size of the largest list or object in them.
    """

    values: "cel.Context"
    widest: int


def make_context(expressions: Sequence[Expression], values: Mapping[str, Any]) -> RuleContext:
    """Convert values for CEL, once for all the expressions and only those that they use.

    Converting a long conversation costs more than a hundred evaluations.
    """
    used = frozenset().union(*(expression.variables for expression in expressions))
    chosen = {name: values[name] for name in used}
    return RuleContext(values=cel.Context(variables=chosen), widest=_widest(chosen))


def _widest(value: Any) -> int:
    """Return the size of the largest list or object; without recursion, whatever the depth."""
    widest, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            widest = max(widest, len(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return widest


def _refuse_unknown(names: frozenset[str], known: frozenset[str], kind: str) -> None:
    for name in sorted(names - known):
        close = get_close_matches(name, sorted(known), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
        raise UnusableExpressionError(f"unknown {kind} {name!r}{hint}")
