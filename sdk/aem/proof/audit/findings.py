"""What an audit finds: statements that hold, or the first record that breaks one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN_KEYS = (
    "that the keys are not the service's: they are those that the file itself names"
    " (--trust pins them)"
)
"""What evidence cannot show that is held against nothing but the trust root in it."""


@dataclass(frozen=True, kw_only=True)
class BadRecord:
    """What an audit found wrong first.

    Attributes:
        record: what kind of record it is: ``transfer``, ``account``, ``log_entry``.
        id: which one.
        why: in a sentence.
        number: its place in the log, from 0; None where it has none.
        between: for a rewritten stretch: sizes of the last checkpoint that fits and of the first
            that does not.
    """

    record: str
    id: str
    why: str
    number: int | None = None
    between: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON."""
        between = None if self.between is None else list(self.between)
        return dict(vars(self)) | {"between": between}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether a statement holds, the figures that show it, and what breaks it first.

    Attributes:
        is_checked: whether the evidence at hand was enough to check it.
    """

    figures: Mapping[str, int]
    first_bad: BadRecord | None
    is_checked: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether nothing breaks the statement; None where it was not checked: nobody knows."""
        return self.first_bad is None if self.is_checked else None

    def to_json(self) -> dict[str, Any]:
        """Write the finding as JSON."""
        bad = self.first_bad
        return {
            "holds": self.holds,
            "figures": dict(self.figures),
            "first_bad": None if bad is None else bad.to_json(),
        }


UNCHECKED = Finding(figures={}, first_bad=None, is_checked=False)
"""Of a statement of which the evidence at hand says nothing."""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What an audit found, statement by statement.

    Attributes:
        log: every record is sealed and unchanged, none is missing or extra, and every signed
            checkpoint fits.
        balances: balances rebuilt from the journal equal the stored ones, and none was ever below
            its floor.
        identity: M = E + O - B, from rebuilt balances, issuance decisions, loans and usage.
        fiat: each day's admitted liability (held, spent, in suspense) is within its budget, and
            what observe-only mode lent the day is what it exceeds that by.
        receipts: every token issued, burned or lent, and every dollar allowed or lent, is
            accounted for by a record that cites it; each loan fits its lender, and work took it.
        not_excluded: what the evidence at hand cannot show, in sentences.
    """

    log: Finding
    balances: Finding
    identity: Finding
    fiat: Finding
    receipts: Finding
    not_excluded: tuple[str, ...] = ()

    @property
    def statements(self) -> Mapping[str, Finding]:
        """The findings by name, in the order in which they are told."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Finding)}

    @property
    def verified(self) -> bool | None:
        """Whether all statements hold; None where what was checked holds, and not all was."""
        found = {finding.holds for finding in self.statements.values()}
        return False if False in found else None if None in found else True

    @property
    def first_bad(self) -> BadRecord | None:
        """The first record that is wrong, by the first statement that it breaks."""
        bad = (finding.first_bad for finding in self.statements.values())
        return next((record for record in bad if record is not None), None)

    def to_json(self) -> dict[str, Any]:
        """Write the report as JSON."""
        bad = self.first_bad
        return {
            "verified": self.verified,
            "first_bad": None if bad is None else bad.to_json(),
            "statements": {name: found.to_json() for name, found in self.statements.items()},
            "not_excluded": list(self.not_excluded),
        }


class FirstBad:
    """Keeps the first record that breaks a statement."""

    def __init__(self) -> None:
        """Start with none."""
        self.record: BadRecord | None = None

    def blame(
        self,
        record: str,
        record_id: str,
        why: str,
        *,
        number: int | None = None,
        between: tuple[int, int] | None = None,
    ) -> None:
        """Name a record, unless one was named before."""
        self.record = self.record or BadRecord(
            record=record, id=record_id, why=why, number=number, between=between
        )
