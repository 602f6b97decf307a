"""What the gold room refuses.

AemError
|-- BadRequestError
|   |-- GoldFormatError       a dataset breaks the format; carries every finding
|   |-- JsonTextError         bytes are no strict JSON; carries the problem's name
|   `-- OutcomesMismatchError outcomes do not belong to the cases that are judged
|-- NotAllowedError
|   |-- NotGoldOwnerError     a dataset's name lies in another namespace
|   `-- HoldoutWithheldError  a view of the dev part was asked for holdout cases
|-- NotFoundError
|   `-- GoldNotFoundError     no frozen dataset or report has this name
`-- InvariantViolatedError
    `-- GoldDamagedError      stored content no longer has its digest
"""

from collections.abc import Sequence

from core.errors import (
    BadRequestError,
    ConflictError,
    InvariantViolatedError,
    NotAllowedError,
    NotFoundError,
)
from gold.domain import Finding


class GoldFormatError(BadRequestError):
    """A dataset breaks the format.

    Attributes:
        findings: everything that `gold.lint` found, warnings too.
    """

    reason = "gold_format_invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Put the first errors into the message and all findings into the details."""
        self.findings = tuple(findings)
        errors = [str(finding) for finding in findings if finding.is_error]
        super().__init__(
            f"the dataset has {len(errors)} error(s): {'; '.join(errors[:3])}; correct them and"
            " run the lint again",
            findings=[finding.to_json() for finding in findings],
        )


class JsonTextError(BadRequestError):
    """Bytes are no strict JSON.

    Attributes:
        problem: stable name, one of `gold.json_text.PROBLEMS`.
    """

    reason = "json_text_invalid"

    def __init__(self, problem: str, message: str) -> None:
        """Name the problem."""
        super().__init__(message, problem=problem)
        self.problem = problem


class OutcomesMismatchError(BadRequestError):
    """Outcomes name a case that is not judged, or a case has too many of them."""

    reason = "outcomes_mismatch"


class NotGoldOwnerError(NotAllowedError):
    """A dataset may be frozen by the namespace in its name only."""

    reason = "not_gold_owner"


class HoldoutWithheldError(NotAllowedError):
    """Holdout cases never leave the judge's own store."""

    reason = "holdout_withheld"


class GoldNotFoundError(NotFoundError):
    """No frozen dataset, or no report, has this name."""

    reason = "gold_not_found"


class NotAttestableError(ConflictError):
    """Only an accepted report enters a channel's history."""

    reason = "report_not_accepted"


class GoldDamagedError(InvariantViolatedError):
    """Stored content no longer has the digest that it was frozen under."""

    reason = "gold_damaged"
