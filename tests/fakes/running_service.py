"""A whole service on loopback: every part real but the sandbox and, if asked, the clock."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import func, select

from aem.artifact import Bundle
from aem.client import Client
from api.app import create_app
from api.composition import Service, build_service
from api.settings import Settings
from core.clock import Clock
from core.database import metadata
from core.principals import Role
from tests.fakes.gold import DATA, gold_files
from tests.fakes.sandbox import FakeSandbox
from tests.fakes.waiting import wait_until

ARTIFACT = "acme/support-small"
TEAM = "acme"
AGENT = "bot"
WALLET = "acme.bot"
GRANT_UTOK = 600_000_000
MAX_PRICE_UTOK = 150_000_000
DAILY_NUSD = 5_000_000_000
KAPPA_UTOK = 1_000_000_000
START_TIMEOUT_S = 30.0
ORDER_TIMEOUT_S = 180.0

GOOD = Bundle.from_folder(DATA / "artifact-good")
FAULTY = Bundle.from_folder(DATA / "artifact-faulty")
DATASET = Bundle(gold_files())


class RunningService:
    """A service with a budget, and clients for it."""

    def __init__(self, built: Service, sandbox: FakeSandbox, url: str) -> None:
        self.built = built
        self.parts = built.parts
        self.sandbox = sandbox
        self.url = url
        self.operator_key = built.first_key or ""
        self._secrets: dict[tuple[str, str, str], str] = {}
        self._clients: dict[str, Client] = {}
        self._http: dict[str | None, httpx.Client] = {}
        self._lock = threading.Lock()

    def secret(self, role: str, namespace: str = "", agent: str = "") -> str:
        """Return a key's secret, made when it is first asked for."""
        asked = (role, namespace, agent)
        if asked == ("operator", "", ""):
            return self.operator_key
        if asked not in self._secrets:
            with self.parts.database.transaction() as session:
                self._secrets[asked] = self.parts.keys.create(
                    session, role=Role(role), namespace=namespace, agent=agent, creator="test"
                ).secret
        return self._secrets[asked]

    def client(self, role: str, namespace: str = "", agent: str = "") -> Client:
        secret = self.secret(role, namespace, agent)
        with self._lock:
            if secret not in self._clients:
                self._clients[secret] = Client(self.url, secret)
            return self._clients[secret]

    def http(self, secret: str | None) -> httpx.Client:
        """Return a bare HTTP client with this key, or with none."""
        with self._lock:
            if secret not in self._http:
                headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
                self._http[secret] = httpx.Client(base_url=self.url, headers=headers, timeout=30)
            return self._http[secret]

    @property
    def operator(self) -> Client:
        return self.client("operator")

    @property
    def team(self) -> Client:
        return self.client("team", TEAM)

    @property
    def agent(self) -> Client:
        return self.client("agent", TEAM, AGENT)

    def fund(
        self,
        *,
        daily_nusd: int = DAILY_NUSD,
        grant_utok: int = GRANT_UTOK,
        namespace: str = TEAM,
        agent: str = AGENT,
    ) -> None:
        """Open the namespace's budget and hand tokens to its agent."""
        self.operator.set_budget(namespace, daily_limit_nusd=daily_nusd, utok_per_usd=KAPPA_UTOK)
        if grant_utok:
            self.operator.allocate(
                namespace, to=f"wallet:{namespace}.{agent}", amount_utok=grant_utok, reason="test"
            )

    def freeze(self) -> str:
        return str(self.team.freeze_gold(DATASET)["digest"])

    def order(self, bundle: Bundle, **options: Any) -> dict[str, Any]:
        """Submit as the agent and wait for the end."""
        return self.ended(self.submit(bundle, **options)["id"])

    def submit(self, bundle: Bundle, **options: Any) -> dict[str, Any]:
        options = {"traces": b"", "max_price_utok": MAX_PRICE_UTOK} | options
        if "candidate" in options:
            options.setdefault("synthesizer", "candidate")
        return self.agent.submit(bundle, **options)

    def ended(
        self, order_id: str, client: Client | None = None, *, timeout_s: float = ORDER_TIMEOUT_S
    ) -> dict[str, Any]:
        asking = client or self.agent
        order = wait_until(
            lambda: (found := asking.order(order_id))["is_final"] and found,
            timeout_s=timeout_s,
        )
        if not order:
            raise AssertionError(f"the order did not end: {asking.order(order_id)}")
        return order

    def balance(self, code: str) -> int:
        with self.parts.database.reading() as session:
            return self.parts.ledger.account(session, code).balance

    def held(self) -> int:
        """Return what is held on all accounts together."""
        with self.parts.database.reading() as session:
            page = self.parts.ledger.accounts(session, prefix="", after="", limit=500)
        return sum(account.debits_held + account.credits_held for account in page.items)

    def counts(self, *tables: str) -> dict[str, int]:
        """Return how many rows tables have."""
        with self.parts.database.reading() as session:
            return {
                name: session.execute(
                    select(func.count()).select_from(metadata.tables[name])
                ).scalar_one()
                for name in tables
            }

    def close(self) -> None:
        for client in (*self._clients.values(), *self._http.values()):
            client.close()


def settings(folder: Path, database_url: str = "", **changes: Any) -> Settings:
    return Settings(data_folder=folder, database_url=database_url, **changes)


@contextmanager
def running(
    chosen: Settings, *, clock: Clock | None = None, sandbox: FakeSandbox | None = None
) -> Iterator[RunningService]:
    """Serve on a free port of loopback until the block ends."""
    sandbox = sandbox or FakeSandbox()
    built = build_service(chosen, clock=clock, sandbox=sandbox)
    listener = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()
    app = create_app(built, started=ready.set)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: ready.is_set() or not thread.is_alive(), timeout_s=START_TIMEOUT_S)
    if not ready.is_set():
        listener.close()
        raise AssertionError("the service did not start")
    service = RunningService(built, sandbox, f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield service
    finally:
        service.close()
        server.should_exit = True
        thread.join()
        listener.close()
