"""Tells alerts: a thread that sends what is due to the receivers that the operator configured."""

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from core.clock import Clock
from core.database import Database, format_instant
from core.money import format_tokens, format_usd
from ledger import Alert, AlertKind, Alerts, DueDelivery, Enforcement

LOOK_INTERVAL_S = 1.0
TIMEOUT_S = 5.0
"""For connecting and for each silence of a receiver; its answer's body is not read."""

ID_HEADER = "Idempotency-Key"
SIGNATURE_HEADER = "X-AEM-Signature"

WEBHOOK, SLACK = "webhook", "slack"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where alerts are sent: an address of the operator's own choice, never a caller's.

    Attributes:
        url: may hold a token of its receiver: it is in no log and no answer.
        secret: signs the body; "" does not.
    """

    name: str
    url: str
    secret: str
    body: Callable[[Alert], Mapping[str, Any]]


def receivers(*, webhook: str, slack: str, secret: str) -> tuple[Receiver, ...]:
    """Return the receivers that have an address."""
    found = (
        Receiver(name=WEBHOOK, url=webhook, secret=secret, body=alert_json),
        Receiver(name=SLACK, url=slack, secret="", body=slack_json),
    )
    return tuple(receiver for receiver in found if receiver.url)


class AlertLoop:
    """Claims what is due, sends it with no transaction open, and writes how that went.

    A receiver that fails or is slow keeps waiting who comes after it, and never money. What was
    sent and not written down, because this process died, is sent again.
    """

    def __init__(
        self, database: Database, alerts: Alerts, clock: Clock, chosen: tuple[Receiver, ...]
    ) -> None:
        """Keep the parts; no thread yet."""
        self._database = database
        self._alerts = alerts
        self._clock = clock
        self._receivers = {receiver.name: receiver for receiver in chosen}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if there is anybody to tell."""
        if self._receivers:
            self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the deliveries under way; what waits is told after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def deliver(self) -> int:
        """Tell what is due now; return how much of it arrived."""
        with self._database.reading() as session:
            if not self._alerts.is_due(session):
                return 0
        with self._database.transaction() as session:
            claimed = self._alerts.claim(session)
        delivered = 0
        for due in claimed:
            is_delivered, answer = self._send(due)
            with self._database.transaction() as session:
                self._alerts.finish(session, due, is_delivered=is_delivered, answer=answer)
            delivered += is_delivered
        return delivered

    def _send(self, due: DueDelivery) -> tuple[bool, str]:
        """Send one alert; return whether it arrived, and what came of it in a word."""
        receiver = self._receivers[due.destination]
        body = json.dumps(receiver.body(due.alert)).encode()
        headers = {"Content-Type": "application/json", ID_HEADER: due.id}
        if receiver.secret:
            headers[SIGNATURE_HEADER] = signature(
                body, secret=receiver.secret, at_s=int(self._clock.now().timestamp())
            )
        try:
            status = _post(receiver.url, body, headers)
        except (OSError, HTTPException) as error:  # its message may hold the address
            return False, type(error).__name__
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES, str(status)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_INTERVAL_S):
            try:
                self.deliver()
            except Exception:  # the thread must outlive a database that is away for a while
                _logger.exception("the service could not tell its alerts; trying again")


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a body and return the answer's status; redirects are not followed.

    By the standard library's client: those that log their requests would log the address.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        place = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request("POST", place, body=body, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def signature(body: bytes, *, secret: str, at_s: int) -> str:
    """Return the header by which a receiver knows us: HMAC-SHA256 of ``<at_s>.<body>``."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as programs take it."""
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "at": format_instant(alert.at),
        "data": dict(alert.data),
        "text": text_of(alert),
    }


def slack_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as Slack's incoming webhooks take it, and whoever is like them."""
    return {"text": text_of(alert)}


def text_of(alert: Alert) -> str:
    """Say an alert in a sentence."""
    return _SENTENCES[alert.kind](alert.data)


def _threshold(data: Mapping[str, Any]) -> str:
    return (
        f"{data['taken_nusd'] * 100 // data['limit_nusd']} % of the day's budget of"
        f" {data['budget']} are taken on {data['day']}, past its mark of {data['percent']} %:"
        f" {format_usd(data['taken_nusd'])} of {format_usd(data['limit_nusd'])} USD, held ones"
        " included"
    )


def _exhaustion(data: Mapping[str, Any]) -> str:
    return f"work is refused: the day's budget of {data['budget']} for {data['day']} is taken"


def _forecast(data: Mapping[str, Any]) -> str:
    follows = (
        "observe-only mode will let it be passed"
        if data.get("enforcement") == Enforcement.OBSERVE
        else "work will be refused before the day ends"
    )
    return (
        f"at this pace {data['budget']} would spend {format_usd(data['forecast_nusd'])} USD on"
        f" {data['day']}, and {format_usd(data['limit_nusd'])} are its limit: {follows}"
    )


def _loss(data: Mapping[str, Any]) -> str:
    loss_nusd = data.get("overbilled_nusd", data.get("loss_nusd", 0))
    return f"{data['provider']} bills {format_usd(loss_nusd)} USD above its bounds"


def _shortfall(data: Mapping[str, Any]) -> str:
    return (
        f"the reserve lacks {format_tokens(data['shortfall_utok'])} tokens for the lost"
        f" attempt {data['attempt']}"
    )


def _overrun(data: Mapping[str, Any]) -> str:
    return (
        f"the limit of {data['limit_of']} for {data['day']} is passed, for {data['owner']}:"
        " observe-only mode refuses nothing"
    )


def _overdraft(data: Mapping[str, Any]) -> str:
    return (
        f"{data['account']} was lent {format_tokens(data['lent_utok'])} tokens, for {data['for']}"
        f" of {data['owner']}: observe-only mode refuses nothing"
    )


def _audit_failure(data: Mapping[str, Any]) -> str:
    broken, bad = data["statements"], data.get("first_bad")
    text = f"the audit failed: {', '.join(broken)} {'does' if len(broken) == 1 else 'do'} not hold"
    return f"{text}; first bad: {bad['record']} {bad['id']}: {bad['why']}" if bad else text


_SENTENCES: Mapping[AlertKind, Callable[[Mapping[str, Any]], str]] = {
    AlertKind.BUDGET_THRESHOLD: _threshold,
    AlertKind.BUDGET_EXHAUSTED: _exhaustion,
    AlertKind.BUDGET_FORECAST: _forecast,
    AlertKind.OPERATOR_LOSS: _loss,
    AlertKind.RESERVE_SHORTFALL: _shortfall,
    AlertKind.BUDGET_OVERRUN: _overrun,
    AlertKind.OVERDRAFT: _overdraft,
    AlertKind.AUDIT_FAILED: _audit_failure,
    AlertKind.TEST: lambda _data: "a test: alerts arrive",
}
