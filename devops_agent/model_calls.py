"""Calls of language models within an order: each one an attempt with holds of its own.

Two transactions frame a call: one takes both holds on its upper bound and writes the call down,
one posts what it used and keeps what came back. A call that a crash left between them has an
unknown outcome: its bound goes to suspense, and the reserve bears it. The work that made it is
attempted anew; calls that were answered before are answered from the record then, so that none is
paid for twice. So are those whose failure was found to be their own (see `artifact_calls`).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

import ledger
from aem.artifact import ChatMessage, ChatReply, ChatRequest, RequestRefusedError, Role
from aem.proof import canonical_json, digest_of
from core.clock import Clock
from core.database import Database
from core.errors import AemError, PaymentRequiredError
from devops_agent import store
from devops_agent.domain import OrderTerms, WorkKey
from devops_agent.errors import ModelOverbilledError, WorkGivenUpError
from devops_agent.metering import LEASE_MARGIN_S, Engagement, OrderMetering
from devops_agent.synthesis.errors import BudgetExhaustedError
from devops_agent.uses import Use
from market import (
    Catalogue,
    Model,
    Upstream,
    UpstreamError,
    UpstreamRefusedError,
    UpstreamReply,
    UpstreamUnknownError,
    UpstreamUnreachableError,
)

ANSWERED = "answered"
UNBILLED = "unbilled"
LOST = "lost"

OWN_FAILURE = "own_failure"
"""In place of a reply: how a call failed by its request's own fault."""

PAUSE_FIRST_S = 0.5
"""Before the second try of a call; each further pause is twice as long."""

PAUSE_MAX_S = 30.0
"""However long a provider asks to be left alone."""

CONTROL_TEXT = "Say yes."
"""What the house asks to see whether a model answers at all."""

CONTROL_REPLY_TOKENS = 16
CONTROL_SUFFIX = ":control"

_logger = logging.getLogger(__name__)


class OrderModels:
    """Gives pieces of work the models of the catalogue."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        metering: OrderMetering,
        catalogue: Catalogue,
        upstream: Upstream,
        terms: OrderTerms,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self.database = database
        self.clock = clock
        self.metering = metering
        self.catalogue = catalogue
        self.upstream = upstream
        self.terms = terms
        self.pause = pause

    def for_work(
        self, key: WorkKey, *, kept: Sequence[Use], duration_s: float, is_private: bool = False
    ) -> "WorkModels":
        """Open the models to one attempt at a piece of work.

        Calls that an earlier attempt left open are given up first.

        Args:
            key: of the attempt.
            kept: what the escrow must still cover after each call.
            duration_s: how long calls may be made from now on.
            is_private: the work sees the holdout, so that nothing of its calls is shown.

        Raises:
            WorkGivenUpError: another worker has taken the order over.
        """
        with self.database.transaction() as session:
            left_open = store.open_model_calls(session, key.order_id)
            _require_own(session, key)  # else they are another worker's, and under way
            for attempt_id in left_open:
                self.metering.lose(session, attempt_id)
                store.finish_work(session, attempt_id, self.clock.now(), {"status": LOST})
        return WorkModels(
            self,
            key=key,
            kept=tuple(kept),
            deadline_s=time.monotonic() + duration_s,
            is_private=is_private,
        )


@dataclass(kw_only=True, eq=False)
class Call:
    """One request, placed in its work: the same request again is another call.

    Attributes:
        model: that is asked.
        request: what it is asked.
        stage: of the order, with its round: the record is looked up by it.
        digest: of the request.
        occurrence: how often the same was asked before within the stage.
        attempt_ids: the attempts at it that this piece of work made, oldest first.
    """

    model: Model
    request: ChatRequest
    stage: str
    digest: str
    occurrence: int
    attempt_ids: list[str] = field(default_factory=list)


class WorkModels:
    """Implements `ChatModel` for one attempt at a piece of work; for one thread."""

    def __init__(
        self,
        house: OrderModels,
        *,
        key: WorkKey,
        kept: tuple[Use, ...],
        deadline_s: float,
        is_private: bool,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._house = house
        self._key = key
        self._kept = kept
        self._deadline_s = deadline_s
        self._is_private = is_private
        self._occurrences: Counter[str] = Counter()
        self._attempts = 0
        self._tokens = 0

    def complete(self, request: ChatRequest) -> ChatReply:
        """Ask a model, unless the record has the answer already.

        Raises:
            ModelNotFoundError, UncappedReplyError: the request cannot be made.
            BudgetExhaustedError: the order's money, tokens or time do not cover the call.
            PaymentRequiredError: the day's budget does not cover a call of the judging's.
            UpstreamError: the provider failed; what could be tried again was.
            ModelOverbilledError: it bills more than the most that the call can cost.
            WorkGivenUpError: another worker has taken the order over.
        """
        return self.answer(self.place(request))

    def place(self, request: ChatRequest) -> Call:
        """Give a request its place in the work: asked again, it is the next call.

        Raises:
            ModelNotFoundError: the catalogue has no such model.
        """
        digest = digest_of(canonical_json(request.to_json()))
        call = Call(
            model=self._house.catalogue.model(request.model),
            request=request,
            stage=f"{self._key.stage}:{self._key.round}",
            digest=digest,
            occurrence=self._occurrences[digest],
        )
        self._occurrences[digest] += 1
        return call

    def answer(self, call: Call) -> ChatReply:
        """Answer a call from the record or by asking; see `complete`.

        Raises:
            RequestRefusedError: the record has it that its failure is its own.
        """
        reply = self._known(call) or self._ask(call)
        self._tokens += reply.input_tokens + reply.output_tokens
        return replace(reply.reply, latency_ms=reply.latency_ms)

    def ask_control(self, model: Model) -> None:
        """Ask a model something small, which it answers if it answers anything.

        It is a call like any other, but for one thing: no record answers it.

        Raises:
            UpstreamError: the provider fails at that too.
            BudgetExhaustedError, PaymentRequiredError, ModelOverbilledError, WorkGivenUpError: as
                `complete` says.
        """
        request = ChatRequest(
            model=model.name,
            messages=(ChatMessage(role=Role.USER, content=CONTROL_TEXT),),
            max_tokens=CONTROL_REPLY_TOKENS,
        )
        call = self.place(request)
        call.stage += CONTROL_SUFFIX
        reply = self._ask(call)
        self._tokens += reply.input_tokens + reply.output_tokens

    def convict(self, call: Call, message: str) -> None:
        """Record that a call's failure is its request's own, so that a replay finds the same.

        Attempts at it whose outcome is unknown were borne by the reserve, which the order now
        pays back.

        Raises:
            WorkGivenUpError: another worker has taken the order over.
        """
        with self._house.database.transaction() as session:
            order = store.get(session, self._key.order_id, lock=True)
            _require_own(session, self._key)
            paid_utok = self._house.metering.make_amends(session, order, call.attempt_ids)
            metered_utok = order.money.metered_utok + paid_utok
            money = replace(order.money, metered_utok=metered_utok)
            store.save(session, replace(order, money=money))
            store.keep_model_reply(session, call.attempt_ids[-1], {OWN_FAILURE: message})

    def _known(self, call: Call) -> UpstreamReply | None:
        with self._house.database.reading() as session:
            known = store.answered_model_call(
                session,
                order_id=self._key.order_id,
                stage=call.stage,
                digest=call.digest,
                occurrence=call.occurrence,
            )
        if known is None:
            return None
        if OWN_FAILURE in known:
            raise RequestRefusedError(known[OWN_FAILURE])
        overbilled_nusd = known.pop("overbilled_nusd")
        if overbilled_nusd:  # a stage that is attempted anew fails for the same reason
            raise _overbilled(call, overbilled_nusd)
        return UpstreamReply.from_json(known)

    def _ask(self, call: Call) -> UpstreamReply:
        """Try a call; what the provider refused may be tried again, what is unknown may not."""
        tries = self._house.terms.model_tries
        for number in range(1, tries + 1):
            try:
                return self._attempt(call)
            except UpstreamUnreachableError:
                if number == tries:
                    raise
                asked_s = None
            except UpstreamRefusedError as error:
                if number == tries or not error.may_retry:
                    raise
                asked_s = error.retry_after_s
            pause_s = max(PAUSE_FIRST_S * 2 ** (number - 1), asked_s or 0.0)
            self._house.pause(max(0.0, min(pause_s, PAUSE_MAX_S, self._left_s)))
        raise AssertionError("every try returns or raises")

    def _attempt(self, call: Call) -> UpstreamReply:
        timeout_s = min(self._house.terms.model_call_s, self._left_s)
        if timeout_s <= 0:
            raise BudgetExhaustedError("the time for this order's model calls is used up")
        self._attempts += 1
        attempt_id = f"{self._key.attempt_id}:call:{self._attempts}"
        bound = self._bound(call)
        try:
            with self._house.database.transaction() as session:
                self._admit(session, attempt_id, call, bound)
        except PaymentRequiredError as error:
            raise self._refused(error) from (None if self._is_private else error)
        call.attempt_ids.append(attempt_id)
        try:
            reply = self._house.upstream.complete(call.model, call.request, timeout_s=timeout_s)
        except UpstreamRefusedError as error:
            self._fail(attempt_id, error)
            if self._is_private:  # providers quote what they refuse
                raise error.without_quotes() from None
            raise
        except UpstreamError as error:
            self._fail(attempt_id, error)
            if isinstance(error, UpstreamUnknownError) and self._left_s <= 0:
                raise BudgetExhaustedError("the order's time ended during a model call") from error
            raise
        self._settle(attempt_id, call, reply)
        return reply

    def _bound(self, call: Call) -> Use:
        use = Use(
            model=call.model.name,
            input_tokens=call.model.input_bound_tokens(call.request),
            output_tokens=call.model.reply_cap_tokens(call.request),
        )
        cap = self._house.terms.model_tokens
        if not self._is_private and self._tokens + use.input_tokens + use.output_tokens > cap:
            raise BudgetExhaustedError(f"the order's cap of {cap} model tokens is used up")
        return use

    def _admit(self, session: Session, attempt_id: str, call: Call, bound: Use) -> None:
        house = self._house
        order = store.get(session, self._key.order_id, lock=True)
        _require_own(session, self._key)
        if not house.metering.affordable(session, order)(*self._kept, bound):
            raise BudgetExhaustedError("the order's escrow does not cover another model call")
        engagement = Engagement(
            attempt_id=attempt_id,
            provider=call.model.provider,
            resource=call.model.output_resource,
            quantity=bound.output_tokens,
            ttl_s=int(house.terms.model_call_s) + LEASE_MARGIN_S,
        )
        house.metering.admit(session, order, engagement, bound)
        store.dispatch_work(session, attempt_id, house.clock.now())
        store.add_model_call(
            session,
            attempt_id=attempt_id,
            order_id=order.id,
            stage=call.stage,
            digest=call.digest,
            occurrence=call.occurrence,
            model=call.model.name,
            request=None if self._is_private else call.request.to_json(),
        )

    def _refused(self, error: PaymentRequiredError) -> AemError:
        """Return what a refused admission is to the work; the bound of one call is not told.

        Half a judging is worth nothing, and the day is not the buyer's affair.
        """
        if isinstance(error, ledger.BudgetExhaustedError):
            with self._house.database.transaction() as session:
                self._house.metering.tell_exhausted(session, error)
            if self._is_private:
                return error.without_bound()
        elif self._is_private:
            return type(error)("what is left does not cover the judging's calls")
        return BudgetExhaustedError(error.message)

    def _settle(self, attempt_id: str, call: Call, reply: UpstreamReply) -> None:
        use = Use(
            model=call.model.name,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
        )
        with self._house.database.transaction() as session:
            overbilled_nusd = self._end(
                session, attempt_id, ANSWERED, use, reply, reason=reply.bound_because
            )
        if reply.bound_because:
            _logger.warning(
                "%s is charged at its bound: what the provider says of its use is %s",
                attempt_id,
                reply.bound_because,
            )
        if overbilled_nusd:
            raise _overbilled(call, overbilled_nusd)

    def _fail(self, attempt_id: str, error: UpstreamError) -> None:
        _logger.warning("%s failed: %s %s", attempt_id, error.reason, error.details)
        with self._house.database.transaction() as session:
            if not isinstance(error, UpstreamUnknownError):
                self._end(session, attempt_id, UNBILLED, Use(), None, reason=error.reason)
            elif self._is_open(session, attempt_id):
                self._house.metering.lose(session, attempt_id)
                outcome = {"status": LOST, "reason": error.reason}
                store.finish_work(session, attempt_id, self._house.clock.now(), outcome)

    def _end(
        self,
        session: Session,
        attempt_id: str,
        status: str,
        use: Use,
        reply: UpstreamReply | None,
        *,
        reason: str = "",
    ) -> int:
        """Post what a call used and record it; return what it cost above its bound, in nusd."""
        order = store.get(session, self._key.order_id, lock=True)
        if not self._is_open(session, attempt_id):
            raise WorkGivenUpError(f"{attempt_id} was given up: another worker has the order")
        latency_ms = None if reply is None else reply.latency_ms
        attempt = self._house.metering.settle(session, attempt_id, use, latency_ms=latency_ms)
        metered_utok = order.money.metered_utok + attempt.charge_utok
        store.save(session, replace(order, money=replace(order.money, metered_utok=metered_utok)))
        outcome: dict[str, Any] = {
            "status": status,
            "reason": ModelOverbilledError.reason if attempt.overbilled_nusd else reason,
            "use": use.to_json(),
            "charge_utok": attempt.charge_utok,
        }
        store.finish_work(session, attempt_id, self._house.clock.now(), outcome)
        if reply is not None:
            kept = reply.to_json() | {"overbilled_nusd": attempt.overbilled_nusd}
            store.keep_model_reply(session, attempt_id, kept)
        return attempt.overbilled_nusd

    def _is_open(self, session: Session, attempt_id: str) -> bool:
        return store.get_work(session, attempt_id, lock=True).result is None

    @property
    def _left_s(self) -> float:
        return self._deadline_s - time.monotonic()


def _require_own(session: Session, key: WorkKey) -> None:
    if store.get_work(session, key.attempt_id).result is not None:
        raise WorkGivenUpError(f"{key.attempt_id} was given up: another worker has it")


def _overbilled(call: Call, overbilled_nusd: int) -> ModelOverbilledError:
    return ModelOverbilledError(
        f"{call.model.name} bills {overbilled_nusd} nusd more than the most that the call can"
        " cost: correct its entry in the catalogue, or leave the provider",
        model=call.model.name,
        overbilled_nusd=overbilled_nusd,
    )
