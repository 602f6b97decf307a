"""Reading a rules file: a YAML list of ``{id, description, expr}``."""

from typing import Any

import yaml

from gold.findings import FindingLog, TableReader
from gold.limits import MAX_RULES
from gold.rules import RULE_VARIABLES, Expression, Rule, UnusableExpressionError

_MEMBERS = ("id", "description", "expr")


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: a few of them nested expand without bound."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases are not allowed")
        return super().compose_node(parent, index)


def read_rules(data: bytes, path: str, notes: FindingLog) -> dict[str, Rule]:
    """Read and compile the rules, by identifier, in their order."""
    try:
        document = yaml.load(data, _PlainLoader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        notes.refuse(path, line, "yaml_invalid", f"it is no YAML: {_first_line(error)}")
        return {}
    if not isinstance(document, list) or not document:
        notes.refuse(
            path, None, "rules_not_list", "a rules file is a list of {id, description, expr}"
        )
        return {}
    if len(document) > MAX_RULES:
        notes.refuse(path, None, "too_many_rules", f"more than {MAX_RULES} rules")
        return {}
    rules: dict[str, Rule] = {}
    for place, item in enumerate(document, start=1):
        rule = _read_rule(item, place, path, notes)
        if rule is not None and rule.id in rules:
            notes.refuse(path, None, "duplicate_id", f"the rule {rule.id!r} is there twice")
        elif rule is not None:
            rules[rule.id] = rule
    return rules


def _read_rule(item: Any, place: int, path: str, notes: FindingLog) -> Rule | None:
    if not isinstance(item, dict):
        notes.refuse(
            path, None, "rule_not_mapping", f"rule {place} is no {{id, description, expr}}"
        )
        return None
    reader = TableReader(notes, path, None, f"rule {item.get('id', place)!r:.60}", item)
    reader.refuse_unknown(_MEMBERS)
    name, description, source = (reader.text(member) for member in _MEMBERS)
    if not (name and description and source):
        return None
    try:
        expression = Expression(source, variables=RULE_VARIABLES)
    except UnusableExpressionError as error:
        reader.refuse("cel_invalid", str(error))
        return None
    return Rule(id=name, description=description, expression=expression)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
