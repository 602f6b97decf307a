"""Requests that an artifact makes: whether a failure is its own or its provider's.

A prompt can make its provider fail: by a request that is too much for it, or a reply that never
ends. If that were taken for a failure of the infrastructure, its order would be refunded, and
whether it failed would tell of the holdout, order by order, at the house's cost. So a model that
fails at an artifact's request is asked a control of the house's own at once: where it answers
that, round for round, the request is to blame; where it does not, nothing is said of the artifact.
"""

from aem.artifact import ChatReply, ChatRequest, RequestRefusedError
from devops_agent.domain import OrderTerms
from devops_agent.model_calls import PAUSE_MAX_S, Call, WorkModels
from market import UpstreamError, UpstreamRefusedError, UpstreamUnreachableError

REFUSED_REQUESTS = frozenset({400, 413, 422})
"""Statuses by which a provider says that the request itself is wrong, as a too long one is."""

BUSY = frozenset({408, 409, 425, 429})
"""Statuses by which it asks for patience: under load a large request finds no room where the
control does, and nobody is to blame."""


class ArtifactModels:
    """Implements `ChatModel` over a work's models, for requests that an artifact makes."""

    def __init__(self, models: WorkModels, *, rounds: int) -> None:
        """Keep the performer.

        Args:
            models: performs the calls.
            rounds: how often a request must fail, and the control after it be answered, before
                the failure is the request's own.
        """
        self._models = models
        self._rounds = rounds

    def complete(self, request: ChatRequest) -> ChatReply:
        """Ask (see `WorkModels.complete`).

        Raises:
            RequestRefusedError: the failure is the request's own; the record keeps that.
        """
        call = self._models.place(request)
        for _ in range(self._rounds):
            try:
                return self._models.answer(call)
            except UpstreamError as error:
                failure = error
            if _is_refused(failure):
                break
            if not _may_be_its_own(failure):
                raise failure
            self._require_answer(call, failure)
        self._models.convict(call, failure.message)
        raise RequestRefusedError(failure.message) from failure

    def _require_answer(self, call: Call, failure: UpstreamError) -> None:
        """Pass on the failure of a model that fails at the control too."""
        try:
            self._models.ask_control(call.model)
        except UpstreamError as down:
            raise failure from down


def longest_call_s(terms: OrderTerms) -> float:
    """Return how long a request of an artifact may take, with its controls and all pauses."""
    one_s = terms.model_tries * (terms.model_call_s + PAUSE_MAX_S)
    return 2 * terms.attempts * one_s


def _is_refused(failure: UpstreamError) -> bool:
    is_refusal = isinstance(failure, UpstreamRefusedError)
    return is_refusal and failure.details.get("status") in REFUSED_REQUESTS


def _may_be_its_own(failure: UpstreamError) -> bool:
    if isinstance(failure, UpstreamUnreachableError):
        return False  # nothing of it was sent
    is_refusal = isinstance(failure, UpstreamRefusedError)
    return not (is_refusal and failure.details.get("status") in BUSY)
