"""Collecting findings, and reading tables whose keys may be misspelt."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from gold.domain import Finding, Severity
from gold.limits import MAX_FINDINGS


class FindingLog:
    """Findings of one lint: every error counts, up to `MAX_FINDINGS` of each severity are kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self.findings: list[Finding] = []
        self.errors = 0
        self._warnings = 0

    def has_errors(self) -> bool:
        """Whether any finding forbids freezing."""
        return self.errors > 0

    def refuse(self, path: str, line: int | None, reason: str, message: str) -> None:
        """Note something that forbids freezing."""
        self.errors += 1
        if self.errors <= MAX_FINDINGS:
            self._keep(Severity.ERROR, path, line, reason, message)

    def warn(self, path: str, line: int | None, reason: str, message: str) -> None:
        """Note something that its author should look at."""
        self._warnings += 1
        if self._warnings <= MAX_FINDINGS:
            self._keep(Severity.WARNING, path, line, reason, message)

    def _keep(
        self, severity: Severity, path: str, line: int | None, reason: str, message: str
    ) -> None:
        finding = Finding(severity=severity, path=path, line=line, message=message, reason=reason)
        self.findings.append(finding)


class TableReader:
    """One table (a TOML table, a JSON object, a YAML mapping) of a dataset's file.

    Every method notes what is wrong and returns a stand-in, so that one pass finds everything.
    """

    def __init__(
        self, notes: FindingLog, path: str, line: int | None, title: str, table: Mapping[str, Any]
    ) -> None:
        """Keep the table and where it stands; `title` names it in messages."""
        self._notes = notes
        self._path = path
        self._line = line
        self._title = title
        self._table = table

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Note every key that is not known, with what was probably meant."""
        for key in self._table:
            if key not in known:
                self.refuse("unknown_key", f"unknown key {key!r}{did_you_mean(key, known)}")

    def refuse(self, reason: str, message: str) -> None:
        """Note an error about this table."""
        self._notes.refuse(self._path, self._line, reason, f"{self._title}: {message}")

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a non-empty text."""
        value = self._table.get(key, default)
        if isinstance(value, str) and value.strip():
            return value
        self._refuse_value(key, value, "a text that is not empty")
        return ""

    def number(self, key: str, *, default: Decimal | None = None) -> Fraction | None:
        """Return a number, exactly as written; None where it is none."""
        value = self._table.get(key, default)
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if is_number and Decimal(value).is_finite():
            return Fraction(value)
        self._refuse_value(key, value, "a number")
        return None

    def flag(self, key: str) -> bool:
        """Return a flag; false where it is not given."""
        value = self._table.get(key, False)
        if isinstance(value, bool):
            return value
        self._refuse_value(key, value, "true or false")
        return False

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of non-empty texts; empty where it is not given."""
        value = self._table.get(key)
        if value is None and not required:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            if value or not required:
                return tuple(value)
            self.refuse("value_empty", f"{key!r} must name at least one")
            return ()
        self._refuse_value(key, value, "a list of texts")
        return ()

    def table(self, key: str) -> Mapping[str, Any]:
        """Return a table; empty where it is not given."""
        value = self._table.get(key, {})
        if isinstance(value, dict):
            return value
        self._refuse_value(key, value, "a table")
        return {}

    def _refuse_value(self, key: str, value: Any, wanted: str) -> None:
        if value is None:
            self.refuse("key_missing", f"{key!r} is missing: {wanted}")
        else:
            self.refuse("value_wrong_type", f"{key!r} must be {wanted}, not {value!r:.60}")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a message: the closest known name, or all of them."""
    close = get_close_matches(name, sorted(known), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""
