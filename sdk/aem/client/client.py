"""The client: one method for each thing that the service can be asked."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from aem.artifact import Bundle
from aem.client.connection import DEFAULT_TIMEOUT_S, Connection
from aem.client.events import EventStream
from aem.client.reports import Reports
from aem.proof import Envelope, canonical_json

Json = dict[str, Any]

_ARCHIVE_TYPE = "application/gzip"
_JSON_LINES_TYPE = "application/x-ndjson"

EXPORT_SILENCE_S = 120.0
"""How long an export may say nothing, while the service looks for records without an entry."""

AUDIT_SILENCE_S = 3_600.0
"""How long an audit may say nothing: the service reads its whole ledger before it answers."""

DEFAULT_PATIENCE_S = 60.0
"""How long `events` tries to reach the service before it gives up."""


class Client:
    """A caller's connection to the service. Safe to share among threads.

    Every method may raise `ApiError` (the service refuses; see its `reason`) and
    `UnreachableError` (no answer came). Mutations carry an idempotency key and are sent again on
    a lost connection or a 503, so they act once.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the address and the key; nothing is sent.

        Args:
            base_url: such as ``https://aem.example``.
            api_key: the caller's key; "" asks without one.
            transport: replaces the network, in tests.
            timeout_s: for connecting and for each silence of an answer.
            sleep: waits between attempts.
        """
        self._connection = Connection(
            base_url, api_key, transport=transport, timeout_s=timeout_s, sleep=sleep
        )
        self.reports = Reports(self._connection)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close all pooled connections."""
        self._connection.close()

    @property
    def is_observed_only(self) -> bool:
        """Whether the newest answer said that nothing is refused for lack of money."""
        return self._connection.enforcement == "observe"

    # The service

    def health(self) -> Json:
        """Return whether the service is up."""
        return self._object("/healthz")

    def trust(self) -> Envelope:
        """Return the service's signed trust root, unchecked.

        Raises:
            MalformedError: it is no signed envelope.
        """
        return Envelope.from_json(self._object("/.well-known/aem-trust.json"))

    def me(self) -> Json:
        """Return who the key belongs to."""
        return self._object("/api/v1/me")

    def create_key(self, *, role: str, namespace: str = "", agent: str = "") -> Json:
        """Make a key; its `secret` is in this answer and nowhere else."""
        return self._post("/api/v1/keys", role=role, namespace=namespace, agent=agent)

    def keys(self) -> Json:
        """List all keys, without their secrets."""
        return self._object("/api/v1/keys")

    def revoke_key(self, key_id: str) -> Json:
        """Make a key useless from now on."""
        return self._post(f"/api/v1/keys/{key_id}/revoke")

    def prices(self) -> Json:
        """Return the newest tick of the price vector."""
        return self._object("/api/v1/prices")

    # Money

    def set_budget(
        self,
        budget: str,
        *,
        parent: str | None = None,
        daily_limit_nusd: int | None = None,
        utok_per_usd: int | None = None,
    ) -> Json:
        """Create or change a budget; what is None stays as it is."""
        body = {
            "parent": parent,
            "daily_limit_nusd": daily_limit_nusd,
            "utok_per_usd": utok_per_usd,
        }
        result: Json = self._connection.put(f"/api/v1/budgets/{budget}", body)
        return result

    def allocate(
        self,
        budget: str,
        *,
        to: str,
        amount_utok: int,
        reason: str,
        idempotency_key: str | None = None,
    ) -> Json:
        """Give tokens of a budget's treasury to a budget below it or to a wallet.

        `idempotency_key` is as in `post_transfers`.
        """
        result: Json = self._connection.post(
            f"/api/v1/budgets/{budget}/allocations",
            {"to": to, "amount_utok": amount_utok, "reason": reason},
            idempotency_key=idempotency_key,
        )
        return result

    def budget(self, budget: str) -> Json:
        """Return a budget with what is spent, held and left today."""
        return self._object(f"/api/v1/budgets/{budget}")

    def wallet(self, owner: str) -> Json:
        """Return a wallet's balance and what it holds."""
        return self._object(f"/api/v1/wallets/{owner}")

    def accounts(self, *, cursor: str | None = None, limit: int | None = None) -> Json:
        """List accounts with their balances, a page at a time."""
        return self._object("/api/v1/ledger/accounts", cursor=cursor, limit=limit)

    def transfers(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Json:
        """List transfers, of one account or order or all, a page at a time."""
        return self._object(
            "/api/v1/ledger/transfers",
            account=account,
            reference=reference,
            cursor=cursor,
            limit=limit,
        )

    def post_transfers(
        self,
        commands: Sequence[Mapping[str, Any]],
        *,
        is_atomic: bool = True,
        idempotency_key: str | None = None,
    ) -> Json:
        """Post a batch of ledger commands: all or nothing, or each by itself.

        The answer has an outcome for each command: its `transfer`, or the name of its `rejection`.

        Args:
            commands: as the HTTP interface takes them (``{"command": "move", ...}``).
            is_atomic: whether all fall with one.
            idempotency_key: posts once, however often it is sent; a new one if it is left out.
        """
        result: Json = self._connection.post(
            "/api/v1/ledger/transfers",
            {"commands": list(commands), "mode": "atomic" if is_atomic else "independent"},
            idempotency_key=idempotency_key,
        )
        return result

    def usage(
        self,
        *,
        owner: str | None = None,
        reference: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Json:
        """List usage records, of one agent or order or all, a page at a time."""
        return self._object(
            "/api/v1/ledger/usage", owner=owner, reference=reference, cursor=cursor, limit=limit
        )

    def verify_audit(self, outside: Sequence[Envelope] = ()) -> Json:
        """Let the service verify its own ledger and return what it found.

        Args:
            outside: checkpoints kept elsewhere, which its log must fit; at most 20.
        """
        kept = [canonical_json(envelope.to_json()).decode() for envelope in outside]
        query = {"checkpoint": kept or None}
        pieces = self._connection.download("/api/v1/audit/verify", query, AUDIT_SILENCE_S)
        result: Json = json.loads(b"".join(pieces))
        return result

    def audit_runs(self, *, cursor: str | None = None, limit: int | None = None) -> Json:
        """List the audits that the service carried out by itself, the newest first."""
        return self._object("/api/v1/audit/runs", cursor=cursor, limit=limit)

    def export_audit(self, *, start: int | None = None, end: int | None = None) -> Iterator[bytes]:
        """Yield the ledger's export (`aem.proof.audit`) as it comes; by default all of it."""
        query = {"from": start, "to": end}
        return self._connection.download("/api/v1/audit/export", query, EXPORT_SILENCE_S)

    def checkpoint(self) -> Envelope:
        """Return a signed checkpoint of the ledger's log as it is now, unchecked.

        Raises:
            MalformedError: it is no signed envelope.
        """
        return Envelope.from_json(self._object("/api/v1/audit/checkpoints/latest"))

    def checkpoints(self, *, cursor: str | None = None, limit: int | None = None) -> Json:
        """List the signed checkpoints, the smallest first, a page at a time."""
        return self._object("/api/v1/audit/checkpoints", cursor=cursor, limit=limit)

    def receipt(self, transfer_id: str) -> bytes:
        """Return a transfer's receipt (`aem.proof.audit.Receipt`), unchecked."""
        return self._connection.get_bytes(f"/api/v1/ledger/transfers/{transfer_id}/receipt")

    def consistency(self, old_size: int, new_size: int) -> bytes:
        """Return a proof that the log only grew (`aem.proof.audit`), unchecked."""
        query = {"from": old_size, "to": new_size}
        return self._connection.get_bytes("/api/v1/audit/consistency", **query)

    def alerts(self, *, cursor: str | None = None, limit: int | None = None) -> Json:
        """List alerts, the newest first, and in `audit` what the service's last audit found."""
        return self._object("/api/v1/alerts", cursor=cursor, limit=limit)

    def test_alerts(self) -> Json:
        """Raise an alert that says nothing but that alerts arrive."""
        return self._post("/api/v1/alerts/test")

    # Gold

    def freeze_gold(self, dataset: Bundle) -> Json:
        """Make a dataset immutable; the same files give the same digest."""
        result: Json = self._connection.post_bytes(
            "/api/v1/gold", dataset.to_archive(), _ARCHIVE_TYPE
        )
        return result

    def gold_datasets(self) -> Json:
        """List the frozen datasets that the caller may use."""
        return self._object("/api/v1/gold")

    def gold(self, digest: str) -> Json:
        """Return what is public of a frozen dataset."""
        return self._object(f"/api/v1/gold/{digest}")

    # Artifacts

    def artifact(self, artifact: str) -> Json:
        """Return an artifact (``namespace/name``) and its channels."""
        return self._object(f"/api/v1/artifacts/{artifact}")

    def versions(self, artifact: str) -> Json:
        """List an artifact's versions."""
        return self._object(f"/api/v1/artifacts/{artifact}/versions")

    def version(self, digest: str) -> Json:
        """Return a version, its parents and its attestations."""
        return self._object(f"/api/v1/versions/{digest}")

    def bundle(self, digest: str) -> Bundle:
        """Fetch a version's files; the digest is not checked against them here.

        Raises:
            ArtifactError: what came is no bundle.
        """
        return Bundle.from_archive(self._connection.get_bytes(f"/api/v1/versions/{digest}/bundle"))

    def diff(self, old: str, new: str) -> Json:
        """Return what changed from one version to another, both given by digest."""
        return self._object(f"/api/v1/versions/{old}/diff/{new}")

    # Channels

    def channel(self, artifact: str, channel: str) -> Json:
        """Return a channel's signed pointer, its state, and the version's attestations."""
        return self._object(_channel_path(artifact, channel))

    def channel_history(self, artifact: str, channel: str) -> Json:
        """List a channel's moves."""
        return self._object(f"{_channel_path(artifact, channel)}/history")

    def deployments(self, artifact: str, channel: str) -> Json:
        """List the newest acknowledgement of each agent that follows a channel."""
        return self._object(f"{_channel_path(artifact, channel)}/deployments")

    def promote(
        self,
        artifact: str,
        channel: str,
        *,
        digest: str,
        reason: str,
        expected_generation: int,
        expected_digest: str | None,
    ) -> Json:
        """Move a channel to a version, if its head is still the expected one.

        An empty channel has generation 0 and no digest.
        """
        return self._post(
            f"{_channel_path(artifact, channel)}/promote",
            digest=digest,
            reason=reason,
            expected_generation=expected_generation,
            expected_digest=expected_digest,
        )

    def rollback(
        self,
        artifact: str,
        channel: str,
        *,
        reason: str,
        digest: str | None = None,
    ) -> Json:
        """Move a channel back to its previous version, or to the one given."""
        return self._post(
            f"{_channel_path(artifact, channel)}/rollback", digest=digest, reason=reason
        )

    def acknowledge(
        self,
        artifact: str,
        channel: str,
        *,
        agent: str,
        digest: str,
        generation: int,
        accepted: bool,
        reason: str,
    ) -> Json:
        """Tell that an agent took a version into use, or why it refused."""
        return self._post(
            f"{_channel_path(artifact, channel)}/acks",
            agent=agent,
            digest=digest,
            generation=generation,
            accepted=accepted,
            reason=reason,
        )

    def events(
        self, topic: str, *, after: int = 0, patience_s: float = DEFAULT_PATIENCE_S
    ) -> EventStream:
        """Follow a topic: iterate over the result; it resumes by itself after a disconnect."""
        return EventStream(self._connection, topic, after=after, patience_s=patience_s)

    # Orders

    def submit(
        self,
        bundle: Bundle,
        *,
        gold: str,
        traces: bytes,
        max_price_utok: int,
        channel: str = "production",
        deployment: str = "deploy",
        synthesizer: str = "repair",
        model: str = "",
        metrics: Mapping[str, float] | None = None,
        candidate: Bundle | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Order an improvement of an artifact and return the order.

        Args:
            bundle: the artifact as it runs.
            gold: digest of the frozen dataset that judges.
            traces: JSON lines of what the artifact did.
            max_price_utok: what the order may cost at most.
            channel: whose head is the incumbent.
            deployment: ``deploy`` promotes a version that passes, ``propose`` only publishes it.
            synthesizer: who makes candidates.
            model: what the synthesizer asks; "" for the service's choice, or for none.
            metrics: named numbers beside those that are computed from the traces.
            candidate: one made elsewhere, instead of a synthesizer's.
            idempotency_key: fixed by a caller that may have to submit again after its own crash.
        """
        order = {
            "artifact": bundle.manifest.name,
            "gold": gold,
            "max_price_utok": max_price_utok,
            "channel": channel,
            "deployment": deployment,
            "synthesizer": synthesizer,
            "model": model,
            "metrics": dict(metrics or {}),
        }
        files = {
            "artifact": ("artifact.tar.gz", bundle.to_archive(), _ARCHIVE_TYPE),
            "traces": ("traces.jsonl", traces, _JSON_LINES_TYPE),
        }
        if candidate is not None:
            files["candidate"] = ("candidate.tar.gz", candidate.to_archive(), _ARCHIVE_TYPE)
        result: Json = self._connection.post_form(
            "/api/v1/orders",
            form={"order": json.dumps(order)},
            files=files,
            idempotency_key=idempotency_key,
        )
        return result

    def order(self, order_id: str) -> Json:
        """Return an order with its state and money."""
        return self._object(f"/api/v1/orders/{order_id}")

    def orders(self, *, cursor: str | None = None, limit: int | None = None) -> Json:
        """List the caller's orders, the newest first, a page at a time."""
        return self._object("/api/v1/orders", cursor=cursor, limit=limit)

    def order_report(self, order_id: str) -> Json:
        """Return an order's gold report as far as the caller may see it."""
        return self._object(f"/api/v1/orders/{order_id}/report")

    def models(self) -> Json:
        """List the language models that orders may ask, with their limits."""
        return self._object("/api/v1/models")

    def order_calls(self, order_id: str) -> Json:
        """Return what an order asked of language models, and what came back."""
        return self._object(f"/api/v1/orders/{order_id}/calls")

    def _object(self, path: str, **query: Any) -> Json:
        result: Json = self._connection.get(path, **query)
        return result

    def _post(self, path: str, **body: Any) -> Json:
        result: Json = self._connection.post(path, body)
        return result


def _channel_path(artifact: str, channel: str) -> str:
    return f"/api/v1/artifacts/{artifact}/channels/{channel}"
