"""Output schemas: JSON Schema 2020-12, compiled once; no network, no slow patterns."""

from typing import Any

import jsonschema
import jsonschema_rs

from gold.limits import MAX_SCHEMA_LEVELS

Schema = dict[str, Any]

_MAX_SHOWN_CHARACTERS = 200


class UnusableSchemaError(ValueError):
    """A schema cannot be compiled; the message says why."""


class OutputSchema:
    """A compiled schema.

    Compiled by jsonschema-rs, which answers ten times faster than jsonschema; a differential test
    holds the two together. Patterns run in a linear-time engine, so that none can be slow; those
    that need backtracking (look-around, back references) are refused at compilation.
    """

    def __init__(self, schema: Schema) -> None:
        """Compile the schema.

        Raises:
            UnusableSchemaError: it is no JSON Schema 2020-12, refers to something outside itself,
                or has a pattern that would need backtracking.
        """
        self.schema = schema
        _check_with_reference(schema)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema, offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise UnusableSchemaError(_first_line(error)) from error

    def is_valid(self, value: Any) -> bool:
        """Whether the value matches the schema."""
        return bool(self._validator.is_valid(value))

    def first_error(self, value: Any) -> str | None:
        """Return where and how the value first breaks the schema; None when it matches."""
        for error in self._validator.iter_errors(value):
            pointer = "".join(f"/{step}" for step in error.instance_path)
            return f"{pointer or '/'}: {error.message}"[:_MAX_SHOWN_CHARACTERS]
        return None


def formats(schema: Any) -> list[str]:
    """Return the ``format`` words of a schema, which 2020-12 takes as annotations only."""
    found: list[str] = []
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            if isinstance(current.get("format"), str):
                found.append(current["format"])
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return sorted(set(found))


def _check_with_reference(schema: Any) -> None:
    if not isinstance(schema, dict):
        raise UnusableSchemaError("an output schema is a JSON object")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        pointer = "".join(f"/{step}" for step in error.absolute_path)
        raise UnusableSchemaError(f"{pointer or '/'}: {_first_line(error)}") from error
    except RecursionError as error:
        raise UnusableSchemaError(f"it is deeper than {MAX_SCHEMA_LEVELS} levels") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:_MAX_SHOWN_CHARACTERS]
