"""Taking orders: refusals in their documented order, the quote, the escrow, the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from aem.artifact import ArtifactError, ArtifactKind, Bundle, read_prompt
from core.clock import Clock
from core.database import format_instant
from core.errors import AemError, NotAllowedError
from core.ids import new_id
from core.money import format_tokens
from core.principals import Principal, Role
from devops_agent import store
from devops_agent.domain import FileRole, Order, OrderMoney, OrderRequest, OrderState, OrderTerms
from devops_agent.durable import DurableWork
from devops_agent.errors import (
    BelowThresholdError,
    EscrowNotCoveredError,
    NearDuplicateError,
    OrderNotFoundError,
    SubmissionError,
)
from devops_agent.evaluation import HOLDOUT, holdout_cases
from devops_agent.metering import OrderMetering
from devops_agent.observing import LET_PASS, LetPass
from devops_agent.progress import OrderRecord
from devops_agent.prompts import judging_calls_reserve
from devops_agent.synthesis import Synthesizer, UnsupportedKindError
from devops_agent.traces import parse_traces
from devops_agent.uses import NOTHING, Use
from devops_agent.workflow import WORKFLOW
from gold import GoldNotFoundError, GoldService
from market import Catalogue
from registry import Registry, Substance

CANDIDATE_SYNTHESIZER = "candidate"
"""Names the way in of candidates that were made elsewhere."""

PAGE_LIMIT_ROWS = 200

_SEE_ALL = (Role.OPERATOR, Role.AUDITOR)
_SEE_HOLDOUT = (Role.TEAM, Role.AUDITOR)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The files of an order as they came, and what is wrong with them, if anything.

    They are read before the order is looked at, and complained of last: a wallet that cannot pay
    is told so whatever it sent.
    """

    artifact: bytes
    traces: bytes
    candidate: bytes | None
    bundles: tuple[Bundle, ...]
    substances: tuple[Substance, ...]
    fault: AemError | ArtifactError | None

    @classmethod
    def read(cls, *, artifact: bytes, traces: bytes, candidate: bytes | None) -> "Submission":
        """Parse the files; never raises for what is wrong with them."""
        bundles: tuple[Bundle, ...] = ()
        substances: tuple[Substance, ...] = ()
        fault: AemError | ArtifactError | None = None
        try:
            parse_traces(traces)
            archives = [artifact] if candidate is None else [artifact, candidate]
            bundles = tuple(map(_runnable, archives))
            substances = tuple(map(Substance.of, bundles))
        except (AemError, ArtifactError) as error:
            fault = error
        return cls(
            artifact=artifact,
            traces=traces,
            candidate=candidate,
            bundles=bundles,
            substances=substances,
            fault=fault,
        )


class Orders:
    """Takes orders and tells of them."""

    def __init__(
        self,
        *,
        clock: Clock,
        record: OrderRecord,
        metering: OrderMetering,
        gold: GoldService,
        registry: Registry,
        durable: DurableWork,
        synthesizers: Mapping[str, Synthesizer],
        catalogue: Catalogue,
        terms: OrderTerms,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._record = record
        self._metering = metering
        self._gold = gold
        self._registry = registry
        self._durable = durable
        self._synthesizers = synthesizers
        self._catalogue = catalogue
        self._terms = terms

    def submit(
        self,
        session: Session,
        principal: Principal,
        request: OrderRequest,
        submission: Submission,
    ) -> Order:
        """Take an order: its escrow, its row and its place in the queue commit together.

        In observe-only mode the order's record says what it would have been refused for, and its
        escrow is lent what the wallet lacks.

        Raises, in this order (design, section 11):
            NotAllowedError: the artifact is not the principal's.
            BelowThresholdError: the wallet is below C_dev, and that is enforced.
            MaxPriceBelowQuoteError: the maximum is below the quoted minimum.
            EscrowNotCoveredError: the wallet is below the escrow, and that is enforced.
            NotFoundError, BadRequestError, ArtifactError: what is wrong with the submission.
            NearDuplicateError: it is a copy of another owner's artifact.
        """
        self._require_owner(principal, request)
        let_pass = LetPass(is_observing=self._metering.is_observing)
        let_pass.check(self._below_threshold(session, principal))
        request = self._with_model(request)
        models = self._models(request, submission)
        budget = principal.namespace
        quote = self._metering.quote(
            session,
            budget=budget,
            holdout_cases=self._holdout_cases(session, request.gold),
            models=models,
            judging_calls=self._judging_calls(session, request, submission),
        )
        quote.require(now=self._clock.now(), max_price_utok=request.max_price_utok)
        escrow_utok = min(request.max_price_utok, quote.maximum_utok)
        let_pass.check(self._not_covered(session, principal, escrow_utok))
        self._require_sound(session, principal, request, submission)
        checks = self._check_originality(session, request, submission)
        now = self._clock.now()
        order = Order(
            id=new_id("ord"),
            request=request,
            payer=principal.owner,
            budget=budget,
            principal=principal.id,
            state=OrderState.ESCROWED,
            money=OrderMoney(escrowed_utok=escrow_utok),
            quote=_quote_json(quote) | {"models": models},
            created_at=now,
            updated_at=now,
            summary={"checks": {"near_duplicates": checks}, LET_PASS: let_pass.notes},
        )
        lent_utok = self._metering.open_escrow(session, order)
        order = replace(order, money=replace(order.money, lent_utok=lent_utok))
        self._record.add(session, order)
        self._keep_files(session, order.id, submission)
        self._durable.enqueue(session, workflow=WORKFLOW, key=order.id)
        return order

    def get(self, session: Session, principal: Principal, order_id: str) -> Order:
        """Return an order of the principal's namespace.

        Raises:
            OrderNotFoundError: there is none that this principal may see.
        """
        order = store.get(session, order_id)
        if not principal.may_read(order.namespace):
            raise OrderNotFoundError(f"there is no order {order_id}")
        return order

    def page(
        self, session: Session, principal: Principal, *, before: str | None, limit: int
    ) -> Sequence[Order]:
        """Return the orders that the principal may see, newest first."""
        namespace = None if principal.role in _SEE_ALL else principal.namespace
        if namespace is not None and not principal.may_read(namespace):
            return []
        return store.page(
            session,
            namespace=namespace,
            before=before,
            limit=min(limit, PAGE_LIMIT_ROWS),
        )

    def model_calls(
        self, session: Session, principal: Principal, order_id: str
    ) -> Sequence[dict[str, Any]]:
        """Return what an order asked of language models, in order, and what came back.

        Calls about the holdout show what they used, and nothing of what they said, to those who
        may see its cases; others are not even told of them, since a prompt can be made to answer
        at a length that tells what it was asked.

        Raises:
            OrderNotFoundError: there is none that this principal may see.
        """
        self.get(session, principal, order_id)
        calls = map(_call_json, store.list_model_calls(session, order_id))
        sees_private = principal.role in _SEE_HOLDOUT
        return [call for call in calls if sees_private or not call["is_private"]]

    def _require_owner(self, principal: Principal, request: OrderRequest) -> None:
        namespace = request.artifact.partition("/")[0]
        principal.require(Role.TEAM, Role.AGENT)
        if not principal.may_write(namespace):
            raise NotAllowedError(
                f"{request.artifact} is in namespace {namespace!r}; this key belongs to namespace"
                f" {principal.namespace!r}"
            )

    def _below_threshold(
        self, session: Session, principal: Principal
    ) -> BelowThresholdError | None:
        balance = self._metering.wallet_available_utok(session, principal.owner)
        threshold = self._terms.threshold_utok
        if balance >= threshold:
            return None
        return BelowThresholdError(
            f"the wallet of {principal.owner} has {format_tokens(balance)} tokens and needs"
            f" {format_tokens(threshold)} to order an improvement",
            balance_utok=balance,
            threshold_utok=threshold,
        )

    def _not_covered(
        self, session: Session, principal: Principal, escrow_utok: int
    ) -> EscrowNotCoveredError | None:
        balance = self._metering.wallet_available_utok(session, principal.owner)
        if balance >= escrow_utok:
            return None
        return EscrowNotCoveredError(
            f"the wallet of {principal.owner} has {format_tokens(balance)} tokens; the escrow"
            f" takes {format_tokens(escrow_utok)}: lower --max-price or fund the wallet",
            balance_utok=balance,
            escrow_utok=escrow_utok,
        )

    def _require_sound(
        self,
        session: Session,
        principal: Principal,
        request: OrderRequest,
        submission: Submission,
    ) -> None:
        if submission.fault is not None:
            raise submission.fault
        for bundle in submission.bundles:
            _require_same_artifact(request.artifact, bundle.manifest.name)
            self._registry.versions.check_publishable(
                artifact=request.artifact, bundle=bundle, actor=principal
            )
            if bundle.manifest.prompt is not None:
                self._catalogue.model(bundle.manifest.prompt.model)
        self._require_dataset(session, request)
        is_candidate = submission.candidate is not None
        if is_candidate != (request.synthesizer == CANDIDATE_SYNTHESIZER):
            raise SubmissionError(
                "a candidate goes with synthesizer 'candidate', and only with it"
            )
        if not is_candidate and request.synthesizer not in self._synthesizers:
            known = ", ".join(sorted(self._synthesizers))
            raise SubmissionError(
                f"there is no synthesizer {request.synthesizer!r}; this service has {known}"
            )
        if not is_candidate:
            self._require_kind(request, submission.bundles[0].manifest.kind)
            self._require_model(request)

    def _check_originality(
        self, session: Session, request: OrderRequest, submission: Submission
    ) -> dict[str, Any]:
        """Look for other owners' versions that the submission is a copy of; say what was found.

        Raises:
            NearDuplicateError: there is one, and the terms refuse copies.
        """
        threshold = self._terms.duplicate_threshold
        copied = None
        for substance in submission.substances:
            copied = copied or self._registry.duplicates.find(
                session,
                substance,
                namespace=request.artifact.partition("/")[0],
                threshold=threshold,
            )
        if copied is not None and self._terms.refuses_duplicates:
            raise NearDuplicateError(
                f"{request.artifact} is a near-duplicate of {copied.artifact} v{copied.number}"
                f" (similarity {copied.likeness.similarity:.0%}, and {threshold:.0%} is too much):"
                " order an improvement of your own work",
                evidence=copied.to_json(),
            )
        return {
            "policy": "refuse" if self._terms.refuses_duplicates else "warn",
            "threshold": threshold,
            "found": copied.to_json() if copied else None,
        }

    def _with_model(self, request: OrderRequest) -> OrderRequest:
        """Name the house's model where the synthesizer asks one and the buyer names none."""
        synthesizer = self._synthesizers.get(request.synthesizer)
        if request.model or synthesizer is None or not synthesizer.asks_model:
            return request
        return replace(request, model=self._terms.synthesis_model)

    def _models(self, request: OrderRequest, submission: Submission) -> list[str]:
        """Return the known models that the order may ask; others are complained of later."""
        prompts = [bundle.manifest.prompt for bundle in submission.bundles]
        asked = {request.model} | {prompt.model for prompt in prompts if prompt is not None}
        return [model.name for model in self._catalogue.models if model.name in asked]

    def _judging_calls(
        self, session: Session, request: OrderRequest, submission: Submission
    ) -> Use:
        """Return the model tokens that judging a prompt may take; what is wrong comes later."""
        prompts = [bundle for bundle in submission.bundles if bundle.manifest.prompt is not None]
        if not prompts:
            return NOTHING
        try:
            cases = self._gold.load(session, request.gold).cases(HOLDOUT)
            return judging_calls_reserve(prompts[0], cases, self._catalogue)
        except AemError:
            return NOTHING

    def _require_kind(self, request: OrderRequest, kind: ArtifactKind) -> None:
        if kind in self._synthesizers[request.synthesizer].kinds:
            return
        fit = [name for name, found in self._synthesizers.items() if kind in found.kinds]
        raise UnsupportedKindError(
            f"the synthesizer {request.synthesizer} does not work on {kind.value} artifacts;"
            f" {' and '.join(sorted(fit))} do",
            kind=kind.value,
        )

    def _require_model(self, request: OrderRequest) -> None:
        asks_model = self._synthesizers[request.synthesizer].asks_model
        if asks_model and not request.model:
            known = ", ".join(model.name for model in self._catalogue.models)
            raise SubmissionError(
                f"the synthesizer {request.synthesizer} asks a language model: name one;"
                f" this service has {known or 'none'}"
            )
        if request.model and not asks_model:
            raise SubmissionError(
                f"the synthesizer {request.synthesizer} asks no language model: name none"
            )
        if request.model:
            self._catalogue.model(request.model)

    def _require_dataset(self, session: Session, request: OrderRequest) -> None:
        """Let an artifact be judged by its own namespace's datasets: others' stay unseen."""
        dataset = self._gold.show(session, request.gold)
        namespace = request.artifact.partition("/")[0]
        if dataset.owner.partition(".")[0] != namespace:
            raise GoldNotFoundError(f"{namespace} has no gold dataset frozen as {request.gold}")

    def _holdout_cases(self, session: Session, gold: str) -> int:
        try:
            return holdout_cases(self._gold.show(session, gold))
        except AemError:
            return 0  # an unknown dataset is complained of in its turn

    def _keep_files(self, session: Session, order_id: str, submission: Submission) -> None:
        store.put_file(session, order_id, FileRole.ARTIFACT, submission.artifact)
        store.put_file(session, order_id, FileRole.TRACES, submission.traces)
        if submission.candidate is not None:
            store.put_file(session, order_id, FileRole.CANDIDATE, submission.candidate)


def _runnable(archive: bytes) -> Bundle:
    """Return the bundle in an archive, if this service can run its kind."""
    bundle = Bundle.from_archive(archive)
    kind = bundle.manifest.kind
    if kind is ArtifactKind.PROMPT:
        read_prompt(bundle)
    elif kind is not ArtifactKind.PYTHON:
        raise SubmissionError(
            f"{bundle.manifest.name} is of kind {kind.value}; this service runs python artifacts"
            " and prompts"
        )
    return bundle


def _require_same_artifact(expected: str, found: str) -> None:
    if expected != found:
        raise SubmissionError(f"the order is for {expected}, but its artifact.toml names {found}")


def _call_json(row: Any) -> dict[str, Any]:
    outcome = row.result or {"status": "open"}
    is_private = row.request is None
    return {
        "id": row.attempt_id,
        "stage": row.stage.partition(":")[0],
        "model": row.model,
        "status": outcome["status"],
        "reason": outcome.get("reason", ""),
        "use": outcome.get("use"),
        "charge_utok": outcome.get("charge_utok", 0),
        "at": format_instant(row.admitted_at),
        "is_private": is_private,
        "request": row.request,
        "reply": None if is_private else row.reply,
    }


def _quote_json(quote: Any) -> dict[str, Any]:
    return {
        "id": quote.id,
        "tick": quote.tick_sequence,
        "minimum_utok": quote.minimum_utok,
        "maximum_utok": quote.maximum_utok,
        "fee_utok": quote.fee_utok,
    }
