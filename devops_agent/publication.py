"""From a passing finalist to a version that is attested, listed and, if ordered, deployed."""

import logging
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from aem.artifact import Bundle
from core.errors import AemError
from core.principals import Principal, Role
from devops_agent import store
from devops_agent.domain import Deployment, FileRole, Order, OrderState
from devops_agent.progress import OrderRecord
from gold import GoldService
from market import Market
from registry import (
    ChannelEmptyError,
    ChannelState,
    GitProjection,
    GoldEvidence,
    Registry,
    StaleChannelError,
    Version,
    VersionSource,
)

_logger = logging.getLogger(__name__)


class Publication:
    """Publishes, attests, lists and deploys in one transaction."""

    def __init__(
        self,
        *,
        record: OrderRecord,
        registry: Registry,
        projection: GitProjection,
        market: Market,
        gold: GoldService,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._record = record
        self._registry = registry
        self._projection = projection
        self._market = market
        self._gold = gold

    def publish(self, session: Session, order_id: str, verdict: dict[str, Any]) -> str | None:
        """Make the finalist a version, if the channel still runs what it was judged against.

        Returns:
            The artifact's name; None where the head moved since the judging: then nothing was
            written.
        """
        order = store.get(session, order_id, lock=True)
        try:
            with session.begin_nested():
                order = self._publish(session, order, verdict)
        except StaleChannelError:
            _logger.info("the head moved while order %s was judged", order_id)
            return None
        self._record.save(
            session,
            replace(order, state=OrderState.PUBLISHED),
            digest=order.version_digest,
            number=order.version_number,
            listing_utok=order.listing_utok,
        )
        if order.request.deployment is Deployment.DEPLOY:
            self._record.enter(
                session, order_id, OrderState.DEPLOYED, channel=order.request.channel
            )
        return order.request.artifact

    def project(self, artifact: str) -> str:
        """Write the artifact's versions to its namespace's Git repository.

        The projection can be made anew at any time, so a failure is told and holds nothing up.
        """
        try:
            self._projection.project(artifact.partition("/")[0])
        except AemError as error:
            _logger.exception(
                "the Git projection of %s failed; the next publication makes it again", artifact
            )
            return error.reason
        return "projected"

    def _publish(self, session: Session, order: Order, verdict: dict[str, Any]) -> Order:
        head = self._head(session, order)
        if head is not None and head.digest != verdict["incumbent"]:
            raise StaleChannelError(f"{order.request.artifact} moved to {head.digest}")
        version = self._version(session, order, head)
        self._registry.attestations.attest(session, version.digest, _evidence(order, verdict))
        self._gold.attest(session, verdict["report_id"])
        listing = self._market.list_version(
            session,
            artifact=order.request.artifact,
            digest=version.digest,
            making_cost_utok=order.money.metered_utok,
        )
        if order.request.deployment is Deployment.DEPLOY:
            self._registry.channels.move(
                session,
                artifact=order.request.artifact,
                channel=order.request.channel,
                digest=version.digest,
                expected_generation=head.generation if head else 0,
                expected_digest=head.digest if head else None,
                reason=f"order {order.id} passed the gold dataset {order.request.gold}",
                actor=_actor(order),
                order_id=order.id,
            )
        return replace(
            order,
            version_digest=version.digest,
            version_number=version.number,
            listing_utok=listing.price_utok,
        )

    def _head(self, session: Session, order: Order) -> ChannelState | None:
        try:
            return self._registry.channels.head(
                session, order.request.artifact, order.request.channel
            )
        except ChannelEmptyError:
            return None

    def _version(self, session: Session, order: Order, head: ChannelState | None) -> Version:
        """Publish the finalist; where the channel is empty, the submitted baseline before it."""
        actor = _actor(order)
        finalist = _bundle(session, order, FileRole.FINALIST)
        parents = [head.digest] if head else []
        submitted = _bundle(session, order, FileRole.ARTIFACT)
        if head is None and submitted.digest != finalist.digest:
            baseline = self._registry.versions.publish(
                session,
                artifact=order.request.artifact,
                bundle=submitted,
                source=VersionSource.SUBMITTED,
                actor=actor,
                order_id=order.id,
            )
            parents = [baseline.digest]
        return self._registry.versions.publish(
            session,
            artifact=order.request.artifact,
            bundle=finalist,
            source=VersionSource.ORDER,
            actor=actor,
            parents=parents,
            order_id=order.id,
        )


def _evidence(order: Order, verdict: dict[str, Any]) -> GoldEvidence:
    return GoldEvidence(
        accepted=verdict["accepted"],
        reason=verdict["reason"],
        gold_digest=verdict["gold"],
        incumbent_digest=verdict["incumbent"],
        order_id=order.id,
        isolation=verdict["isolation"],
        cost={"metered_utok": order.money.metered_utok},
        report=verdict["report"],
    )


def _actor(order: Order) -> Principal:
    """The buyer, as who the order acts: it owns the result (design, section 4)."""
    return Principal(
        id=order.principal, role=Role.AGENT, namespace=order.namespace, owner=order.payer
    )


def _bundle(session: Session, order: Order, role: str) -> Bundle:
    content = store.find_file(session, order.id, role)
    if content is None:
        raise LookupError(f"order {order.id} keeps no {role}")
    return Bundle.from_archive(content)
