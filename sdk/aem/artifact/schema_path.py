"""Whether a JSON Schema rules out that its values have anything at a path."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_POSITION = re.compile(r"0|[1-9][0-9]{0,8}")

MAX_DEPTH = 64
"""Schemas and references in a row; deeper ones are taken to allow the path."""

MAX_LOOKS = 10_000
"""Parts of a schema that are looked at for one path; those after them are taken to allow it."""


def is_ruled_out(schema: Any, path: Sequence[str]) -> bool:
    """Tell whether no value that the schema allows has anything at the path.

    What the schema leaves open counts as allowed, and so does what only a validator could tell:
    False promises nothing, True is certain.

    Args:
        schema: a JSON Schema, 2020-12.
        path: object keys, and array positions in decimal digits, from the top.
    """
    return _Reader(schema).rules_out(schema, tuple(path), MAX_DEPTH)


class _Reader:
    """Reads one schema for one path, each part once: references would multiply without end."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[tuple[int, int], bool] = {}

    def rules_out(self, schema: Any, path: tuple[str, ...], depth: int) -> bool:
        if schema is False:
            return True
        if not isinstance(schema, Mapping) or depth == 0:
            return False
        look = (id(schema), len(path))
        if look not in self._known and len(self._known) < MAX_LOOKS:
            self._known[look] = False  # what refers back to itself promises nothing
            self._known[look] = self._look(schema, path, depth)
        return self._known.get(look, False)

    def _look(self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int) -> bool:
        if self._parts_rule_out(schema, path, depth - 1):
            return True
        if not path:
            return False
        as_object = self._allows_type(schema, "object") and not self._member_ruled_out(
            schema, path, depth - 1
        )
        as_array = self._allows_type(schema, "array") and not self._item_ruled_out(
            schema, path, depth - 1
        )
        return not as_object and not as_array

    def _parts_rule_out(
        self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int
    ) -> bool:
        reference = schema.get("$ref")
        if isinstance(reference, str) and self.rules_out(self._target(reference), path, depth):
            return True
        every = schema.get("allOf")
        if isinstance(every, list) and any(self.rules_out(part, path, depth) for part in every):
            return True
        for key in ("anyOf", "oneOf"):
            parts = schema.get(key)
            if not isinstance(parts, list) or not parts:
                continue
            if all(self.rules_out(part, path, depth) for part in parts):
                return True
        return False

    def _target(self, reference: str) -> Any:
        """Follow a reference within the schema; what cannot be followed allows everything."""
        if not reference.startswith("#"):
            return True
        target = self._root
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or key not in target:
                return True
            target = target[key]
        return target

    @staticmethod
    def _allows_type(schema: Mapping[str, Any], name: str) -> bool:
        allowed = schema.get("type", name)
        return name == allowed or (isinstance(allowed, list) and name in allowed)

    def _member_ruled_out(
        self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int
    ) -> bool:
        key, rest = path[0], path[1:]
        members = schema.get("properties")
        if isinstance(members, Mapping) and key in members:
            return self.rules_out(members[key], rest, depth)
        if schema.get("patternProperties"):
            return False
        return self.rules_out(schema.get("additionalProperties", True), rest, depth)

    def _item_ruled_out(
        self, schema: Mapping[str, Any], path: tuple[str, ...], depth: int
    ) -> bool:
        key, rest = path[0], path[1:]
        if not is_position(key):
            return True
        most = schema.get("maxItems")
        if isinstance(most, int) and int(key) >= most:
            return True
        first = schema.get("prefixItems")
        if isinstance(first, list) and int(key) < len(first):
            return self.rules_out(first[int(key)], rest, depth)
        return self.rules_out(schema.get("items", True), rest, depth)


def is_position(key: str) -> bool:
    """Tell whether a path's part can be an array position (RFC 6901: no leading zero)."""
    return _POSITION.fullmatch(key) is not None
