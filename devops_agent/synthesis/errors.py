"""What a synthesizer raises.

AemError
|-- ConflictError
|   `-- BudgetExhaustedError     the run budget of a search is used up
`-- BadRequestError
    `-- UnsupportedKindError     the synthesizer cannot work on artifacts of this kind
"""

from core.errors import BadRequestError, ConflictError


class BudgetExhaustedError(ConflictError):
    """The evaluator's budget (case runs, or the sandbox's seconds) is used up.

    A search that sees it ends, and hands over what it has found so far.
    """

    reason = "synthesis_budget_exhausted"


class UnsupportedKindError(BadRequestError):
    """The synthesizer does not know how to change artifacts of this kind."""

    reason = "unsupported_artifact_kind"
