"""What the processes of the crash tests do: prepare a world, and run one order in it."""

import logging
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from dbos import DBOS
from sqlalchemy.orm import Session

from aem.artifact import Bundle
from api.composition import Service, build_service
from api.settings import Settings
from core.principals import Principal, Role
from devops_agent import CANDIDATE_SYNTHESIZER, Deployment, OrderRequest, Submission
from ledger import WALLET, BudgetAmounts
from sandbox import Sandbox, select_sandbox
from tests.fakes.clock import FakeClock
from tests.fakes.fuse import Fuse, FuseClock, FuseSandbox, count_model_calls
from tests.fakes.gold import DATA, gold_files, replaced
from tests.fakes.sandbox import FakeSandbox

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LATE_S = 30.0
"""How late the clock of a worker is that takes another one for dead."""
ARTIFACT = "acme/support-small"
BUYER = Principal(id="key_bot", role=Role.AGENT, namespace="acme", owner="acme.bot")
DAILY_LIMIT_NUSD = 10_000_000_000
UTOK_PER_USD = 10_000_000_000
WALLET_UTOK = 2_000_000_000
MAX_PRICE_UTOK = 1_000_000_000
CHANNEL = "production"
SEARCH_RUNS = 200
"""Enough to find the fault, and few: every crash in a search makes it search again."""
POLL_S = 0.02
STOP_S = 1.0
TIMEOUT_S = 60.0
MODEL = "tutor"
PROVIDER = "school"
CATALOGUE = f"""
[[models]]
name = "{MODEL}"
provider = "{PROVIDER}"
base_url = "{{base_url}}"
input_usd_per_million = "0.4"
output_usd_per_million = "1.6"
context_tokens = 32000
reply_tokens_max = 4000
"""
NOWHERE = "http://127.0.0.1:9/v1"


@dataclass(frozen=True, kw_only=True)
class World:
    """Where a service keeps its things."""

    folder: Path
    database_url: str

    @property
    def catalogue(self) -> Path:
        return self.folder / "models.toml"

    def settings(self) -> Settings:
        return Settings(
            data_folder=self.folder,
            database_url=self.database_url,
            synthesis_case_runs=SEARCH_RUNS,
            models=self.catalogue,
        )

    def offer_model(self, base_url: str) -> None:
        """Put the one model behind this address."""
        self.catalogue.write_text(CATALOGUE.format(base_url=base_url))


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """An order to be made.

    Attributes:
        artifact: folder of `tests/data`, as is `candidate`.
        meets_defect: whether the service then fails to keep what its judge found.
        case_s: how long the candidate sleeps in each case.
        synthesizer: who searches, where there is no candidate.
    """

    artifact: str
    candidate: str | None
    synthesizer: str = "repair"
    meets_defect: bool = False
    case_s: float = 0


def prepare(world: World) -> None:
    """Make a world in which an agent has a wallet and a dataset, and nothing was ordered."""
    world.folder.mkdir()
    world.offer_model(NOWHERE)
    service = build_service(world.settings(), clock=FakeClock(NOON), sandbox=FakeSandbox())
    service.start()
    parts = service.parts
    with parts.database.transaction() as session:
        parts.budgets.define(session, name="house")
        amounts = BudgetAmounts(daily_limit_nusd=DAILY_LIMIT_NUSD, utok_per_usd=UTOK_PER_USD)
        parts.budgets.set(session, budget="house", amounts=amounts, actor="operator")
        parts.budgets.define(session, name="acme", parent="house")
        parts.budgets.allocate(
            session,
            key="wallet",
            budget="house",
            to=WALLET.code(BUYER.owner),
            amount_utok=WALLET_UTOK,
            reason="to begin with",
        )
        parts.gold.freeze(session, owner="acme", files=gold_files())
    service.stop()


def run_order(
    world: World, purchase: Purchase, journal: Path, burns_at: int | None, late_s: float = 0
) -> None:
    """Send the order, as a client that sends it until it is answered, and run it to its end."""
    fuse = Fuse(journal, burns_at=burns_at)
    service = _build(world, fuse, journal, late_s=late_s)
    if purchase.meets_defect:
        service.parts.gold.record_report = _fail  # type: ignore[method-assign]
    service.start()
    order_id = _submit_counted(service, purchase, fuse)
    DBOS.retrieve_workflow(order_id).get_result(polling_interval_sec=POLL_S)
    service.stop()


def run_order_in_docker(
    world: World, purchase: Purchase, journal: Path, burns_at: int | None
) -> None:
    """Run an order in real containers; SIGKILL comes in the middle of the case that has begun."""
    fuse = Fuse(journal, burns_at=burns_at)
    kill = fuse.burn
    fuse.burn = threading.Timer(purchase.case_s / 2, kill).start
    sandbox = select_sandbox("docker").sandbox
    service = _build(world, fuse, journal, sandbox=sandbox)
    service.start()
    order_id = _submit_counted(service, purchase, fuse)
    DBOS.retrieve_workflow(order_id).get_result(polling_interval_sec=POLL_S)
    service.stop()


def stop_order(world: World, purchase: Purchase, journal: Path, burns_at: int) -> None:
    """Send the order, and stop the service in good order at a moment, as for an upgrade."""
    fuse = Fuse(journal, burns_at=burns_at)
    reached = threading.Event()
    service = _build(world, fuse, journal)

    def burn() -> None:
        reached.set()
        time.sleep(STOP_S)  # the stop overtakes the order's thread

    fuse.burn = burn
    service.start()
    _submit_counted(service, purchase, fuse)
    if not reached.wait(TIMEOUT_S):
        raise TimeoutError(f"the order never came to moment {burns_at}")
    service.stop()


def stall_order(
    world: World,
    purchase: Purchase,
    journal: Path,
    burns_at: int,
    *,
    stalled: Event,
    released: Event,
    dies: bool,
) -> None:
    """Send the order, and stall at a moment until released: then die, or go on."""
    fuse = Fuse(journal, burns_at=burns_at)
    kill = fuse.burn

    def burn() -> None:
        stalled.set()
        if not released.wait(TIMEOUT_S):
            raise TimeoutError("nobody released the stalled process")
        if dies:
            kill()

    fuse.burn = burn
    service = _build(world, fuse, journal)
    service.start()
    order_id = _submit_counted(service, purchase, fuse)
    DBOS.retrieve_workflow(order_id).get_result(polling_interval_sec=POLL_S)
    service.stop()


def serve(world: World, journal: Path, ready: Event, ended: Event, late_s: float) -> None:
    """Be a worker that takes orders until told to end, and whose clock is late by so much."""
    service = _build(world, Fuse(journal, burns_at=None), journal, late_s=late_s)
    service.start()
    ready.set()
    ended.wait()
    service.stop()


def roll_back(world: World, journal: Path, burns_at: int | None) -> None:
    """Send a rollback, as a client that sends it until it is answered."""
    fuse = Fuse(journal, burns_at=burns_at)
    service = _build(world, fuse, journal)
    parts = service.parts

    def action(session: Session) -> dict[str, Any]:
        head = parts.registry.channels.rollback(
            session, artifact=ARTIFACT, channel=CHANNEL, reason="it answers worse", actor=BUYER
        )
        return {"generation": head.generation}

    with fuse.counting():
        parts.mutations.run(principal=BUYER.id, key="rollback-1", request=b"", action=action)


def _build(
    world: World,
    fuse: Fuse,
    journal: Path,
    *,
    late_s: float = 0,
    sandbox: Sandbox | None = None,
) -> Service:
    logging.basicConfig(filename=journal.with_suffix(".log"), level=logging.WARNING)
    sys.stderr = journal.with_suffix(".err").open("w")
    service = build_service(
        world.settings(),
        clock=FuseClock(fuse, NOON + timedelta(seconds=late_s)),
        sandbox=FuseSandbox(fuse, sandbox or FakeSandbox()),
    )
    count_model_calls(fuse, service.parts.upstream)
    return service


def _fail(*_arguments: Any, **_named: Any) -> None:
    raise RuntimeError("a defect of the service")


def _submit_counted(service: Service, purchase: Purchase, fuse: Fuse) -> str:
    with fuse.counting():
        return _submit(service, purchase)


def _submit(service: Service, purchase: Purchase) -> str:
    parts = service.parts
    submission = Submission.read(
        artifact=_archive(purchase.artifact),
        traces=b"",
        candidate=_candidate(purchase),
    )

    def action(session: Session) -> dict[str, Any]:
        (dataset,) = parts.gold.datasets(session, namespace="acme")
        request = OrderRequest(
            artifact=ARTIFACT,
            channel=CHANNEL,
            gold=dataset.digest,
            max_price_utok=MAX_PRICE_UTOK,
            deployment=Deployment.DEPLOY,
            synthesizer=CANDIDATE_SYNTHESIZER if purchase.candidate else purchase.synthesizer,
            model=MODEL if purchase.synthesizer == "openai" else "",
        )
        return {"id": parts.orders.submit(session, BUYER, request, submission).id}

    answer = parts.mutations.run(
        principal=BUYER.id, key=f"order {purchase}", request=b"", action=action
    )
    return str(answer["id"])


def _candidate(purchase: Purchase) -> bytes | None:
    if purchase.candidate is None:
        return None
    bundle = Bundle.from_folder(DATA / purchase.candidate)
    if purchase.case_s:
        slow = replaced(
            bundle.files,
            "extractor.py",
            '    conversation = input["conversation"]\n',
            f'    conversation = input["conversation"]\n    time.sleep({purchase.case_s})\n',
        )
        bundle = Bundle(replaced(slow, "extractor.py", "import re\n", "import re\nimport time\n"))
    return bundle.to_archive()


def _archive(name: str) -> bytes:
    return Bundle.from_folder(DATA / name).to_archive()
