"""A bulk run on a scripted client: how many at once, what is ordered anew, what stops."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aem.client import ApiError, Client
from cli.output import ExitCode
from cli.remote.bulk_run import BulkRun, Ending, Item, Terms
from tests.fakes.bulk_items import adder

TERMS = Terms(
    max_price_utok=1, channel="production", deployment="deploy", synthesizer="repair", model=""
)
INSTANTS = {
    "created_at": "2026-01-05T09:00:00.000000Z",
    "updated_at": "2026-01-05T09:00:02.500000Z",
}


class ScriptedClient:
    """Answers like the service: an order a key, with outcomes as they are dealt."""

    def __init__(
        self, outcomes: Sequence[str] = (), *, during: Callable[[], None] | None = None
    ) -> None:
        self.outcomes = list(outcomes)
        self.during = during or (lambda: None)
        self.orders: dict[str, dict[str, Any]] = {}

    def freeze_gold(self, _dataset: Any) -> dict[str, Any]:
        return {"digest": "sha256:gold"}

    def submit(self, bundle: Any, *, idempotency_key: str, **_options: Any) -> dict[str, Any]:
        if idempotency_key not in self.orders:
            self.orders[idempotency_key] = {
                **INSTANTS,
                "id": f"ord_{len(self.orders)}",
                "artifact": bundle.manifest.name,
                "outcome": self.outcomes.pop(0) if self.outcomes else "accepted",
                "is_final": False,
                "reason": "",
                "price_utok": 7,
            }
        return {"id": self.orders[idempotency_key]["id"]}

    def order(self, order_id: str) -> dict[str, Any]:
        found = next(order for order in self.orders.values() if order["id"] == order_id)
        shown = found if found["is_final"] else found | {"outcome": None}
        return dict(shown)

    @contextmanager
    def events(self, topic: str) -> Iterator[Iterator[Any]]:
        self.during()
        for order in self.orders.values():
            if topic == f"order:{order['id']}":
                order["is_final"] = True
        yield iter([SimpleNamespace(kind="validating"), SimpleNamespace(kind="settled")])


def run(client: ScriptedClient, folders: Sequence[Path], *, parallel: int = 1) -> list[Ending]:
    bulk = BulkRun(cast("Client", client), TERMS, parallel=parallel, tell=lambda _f, _s: None)
    return sorted(bulk.run(folders), key=lambda ending: ending.folder)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [adder(tmp_path / str(number), f"acme/item-{number}") for number in range(6)]


def test_so_many_are_under_way_at_once_and_no_more(folders: list[Path]) -> None:
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3, timeout=10)  # breaks unless three are under way together

    def during() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        full.wait()
        with lock:
            now[0] -= 1

    endings = run(ScriptedClient(during=during), folders, parallel=3)
    assert most == [3]
    assert {ending.outcome for ending in endings} == {"accepted"}


def test_seconds_and_price_are_the_orders_own(folders: list[Path]) -> None:
    ending = run(ScriptedClient(), folders[:1])[0]
    assert (ending.elapsed_s, ending.price_utok, ending.exit_code) == (2.5, 7, ExitCode.OK)


def test_what_the_service_failed_at_is_ordered_anew_by_the_next_run_only(
    folders: list[Path],
) -> None:
    client = ScriptedClient(["failed", "rejected"])
    first = run(client, folders[:1])[0]
    assert (first.outcome, first.exit_code) == ("failed", ExitCode.UNAVAILABLE)
    assert len(client.orders) == 1
    second = run(client, folders[:1])[0]
    assert (second.outcome, second.exit_code) == ("rejected", ExitCode.FAILED)
    third = run(client, folders[:1])[0]
    assert third == second
    assert len(client.orders) == 2


def test_an_item_that_goes_wrong_in_an_unknown_way_does_not_stop_the_others(
    folders: list[Path],
) -> None:
    def explode() -> None:
        if len(client.orders) == 2:
            raise ZeroDivisionError("unheard of")

    client = ScriptedClient(during=explode)
    endings = run(client, folders)
    assert [ending.outcome for ending in endings].count("accepted") == 5
    wrong = next(ending for ending in endings if ending.outcome != "accepted")
    assert (wrong.reason, wrong.exit_code) == ("ZeroDivisionError", ExitCode.FAILED)


def test_a_refusal_has_the_exit_code_that_submit_has(folders: list[Path]) -> None:
    class Refusing(ScriptedClient):
        def submit(self, bundle: Any, *, idempotency_key: str, **_options: Any) -> dict[str, Any]:
            raise ApiError(status=402, reason="wallet_below_threshold", detail="poor", details={})

    ending = run(Refusing(), folders[:1])[0]
    assert (ending.outcome, ending.reason) == ("refused", "wallet_below_threshold")
    assert (ending.exit_code, ending.order) == (ExitCode.PAYMENT_REQUIRED, None)


def test_a_key_names_bytes_and_terms(folders: list[Path]) -> None:
    one, other = Item.read(folders[0]), Item.read(folders[1])
    dearer = Terms(**{**vars(TERMS), "max_price_utok": 2})
    keys = {one.key("g", TERMS), one.key("h", TERMS), one.key("g", dearer), other.key("g", TERMS)}
    assert len(keys) == 4
    assert one.key("g", TERMS) == Item.read(folders[0]).key("g", TERMS)
