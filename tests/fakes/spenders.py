"""Processes that spend from one ledger, each with its own services; some are killed.

What runs in them stands here, where a new process can import it.
"""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.database import Database, make_engine
from ledger import (
    AttemptRequest,
    Batch,
    BudgetExhaustedError,
    Hold,
    InsufficientFundsError,
    Move,
    PostHold,
    PostingUnknownError,
    Writer,
    WriterBusyError,
)
from ledger.books import transfer_id
from tests.fakes.bank import TOKEN, USD, Bank, line, request
from tests.fakes.fuse import Fuse

TIMEOUT_S = 120.0
WALLET = "wallet:acme.bot"


def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.fakes.spenders"])
    return context


@dataclass(frozen=True, kw_only=True)
class Place:
    """A ledger as a process finds it."""

    url: str
    keys: Path
    now: datetime
    is_observing: bool

    @classmethod
    def of(cls, bank: Bank, keys: Path) -> "Place":
        url = bank.database.engine.url.render_as_string(hide_password=False)
        return cls(
            url=url,
            keys=keys,
            now=bank.clock.now(),
            is_observing=bank.metering.lending.is_observing,
        )

    def open(self) -> Bank:
        bank = Bank.open(Database(make_engine(self.url)), self.keys)
        bank.clock.instant = self.now
        return bank.observing if self.is_observing else bank


# Many clients in many processes


@dataclass(frozen=True, kw_only=True)
class Client:
    """One of the threads of one of the processes, all of which start together."""

    bank: Bank
    name: str
    barrier: Barrier

    def start(self) -> None:
        self.barrier.wait(TIMEOUT_S)


Work = Callable[[Client], Any]


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where all clients of all processes start, and where they leave what they found."""

    barrier: Barrier
    answers: Any  # a queue


def spend_together(place: Place, work: Work, *, count: int, threads: int) -> list[Any]:
    """Run the work in so many threads of so many processes; return what each gave."""
    context = processes()
    barrier = context.Barrier(count * threads)
    answers = context.SimpleQueue()
    meeting = Meeting(barrier=barrier, answers=answers)
    started = [
        context.Process(target=_clients, args=(place, work, f"{number}", threads, meeting))
        for number in range(count)
    ]
    for process in started:
        process.start()
    found = [answer for _ in started for answer in answers.get()]
    for process in started:
        process.join(TIMEOUT_S)
        assert process.exitcode == 0
    return found


def _clients(place: Place, work: Work, number: str, threads: int, meeting: Meeting) -> None:
    bank = place.open()
    found: list[Any] = []

    def run(client: Client) -> None:
        try:
            found.append(work(client))
        except Exception as error:  # noqa: BLE001 - handed to the test
            found.append(repr(error))

    clients = [
        threading.Thread(
            target=run,
            args=(Client(bank=bank, name=f"{number}-{thread}", barrier=meeting.barrier),),
        )
        for thread in range(threads)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    meeting.answers.put(found)
    bank.database.dispose()


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What one client did.

    Attributes:
        wronged: refusals at whose moment enough was left.
    """

    admitted: int = 0
    refused: int = 0
    wronged: int = 0


def admit_fairly(bank: Bank, asked: AttemptRequest) -> bool | None:
    """Admit; False if it is refused, None if what is left would cover it at that moment."""
    with Session(bank.database.writing_engine) as session:
        try:
            bank.metering.admit(session, asked)
        except BudgetExhaustedError:
            fiat = f"fiat-budget:acme:{bank.clock.now().date().isoformat()}"
            needed, left = asked.bound_nusd, available(bank, session, fiat)
        except InsufficientFundsError:
            needed, left = asked.bound_utok, available(bank, session, asked.payer)
        else:
            session.commit()
            return True
        return False if left < needed else None


def available(bank: Bank, session: Session, code: str) -> int:
    """Return what is left of an account that the refusal keeps locked."""
    return bank.ledger.account(session, code).available


@dataclass(frozen=True, kw_only=True)
class Admissions:
    """Each client asks so often; it settles half of each bound, if it settles."""

    tries: int
    bound_nusd: int
    settles: bool

    def __call__(self, client: Client) -> Tally:
        answers = []
        client.start()
        for turn in range(self.tries):
            name = f"try-{client.name}-{turn}"
            asked = request(
                attempt_id=name, bound_nusd=self.bound_nusd, bound_utok=self.bound_nusd
            )
            answers.append(admit_fairly(client.bank, asked))
            if answers[-1] and self.settles:
                client.bank.settle(
                    name,
                    line(self.bound_nusd // 2, base_price_pusd=1_000, unit_price_pusd=1_000),
                )
        return Tally(
            admitted=answers.count(True),
            refused=answers.count(False),
            wronged=answers.count(None),
        )


@dataclass(frozen=True, kw_only=True)
class WriterPayments:
    """Each client pays so often, all at once, through a writer of its own."""

    tries: int
    amount: int

    def __call__(self, client: Client) -> int:
        with Writer(database=client.bank.database, ledger=client.bank.ledger) as writer:
            client.start()
            batches = [payment(f"{client.name}-{turn}", self.amount) for turn in range(self.tries)]
            futures = [writer.submit(batch) for batch in batches]
            results = [future.result(TIMEOUT_S) for future in futures]
        return sum(result.first_rejection is None for result in results)


def payment(key: str, amount: int) -> Batch:
    move = Move(debit=WALLET, credit="escrow:order-1", amount=amount, kind="escrow")
    return Batch(key=key, commands=(move,))


# One process that is killed at a moment of its work

STEPS = {
    "hold": "post:{name}:hold",
    "admit a": "attempt:{name}:a:admit",
    "settle a": "attempt:{name}:a:end",
    "admit b": "attempt:{name}:b:admit",
    "lose b": "attempt:{name}:b:end",
    "admit c": "attempt:{name}:c:admit",
    "release c": "attempt:{name}:c:end",
    "pay": "post:{name}:pay",
    "post hold": "post:{name}:post",
}
"""What the script does, with the key that it posts under."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What two of its attempts may cost, and how many transfers each of its steps may make."""

    bound_nusd: int
    bound_utok: int
    transfers: Mapping[str, Collection[int]]


ENFORCED = Script(
    bound_nusd=1_000,
    bound_utok=2_000,
    transfers={
        "hold": {1},
        "admit a": {2},
        "settle a": {3},
        "admit b": {2},
        "lose b": {4},
        "admit c": {2},
        "release c": {2},
        "pay": {1},
        "post hold": {1},
    },
)

OBSERVED = Script(  # more than the day and the wallet have: both are lent the rest, and give back
    bound_nusd=12 * USD,
    bound_utok=24_000 * TOKEN,
    transfers={
        "hold": {1},
        "admit a": {4},
        "settle a": {5},
        "admit b": {2, 3},  # the day may be used up by then
        "lose b": {3, 4},  # and the reserve
        "admit c": {4},
        "release c": {4},
        "pay": {1},
        "post hold": {1},
    },
)


def script(bank: Bank, name: str, plan: Script) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Return the steps of one piece of work, all under keys of its name."""
    metering = bank.metering

    def admit(letter: str, bound_nusd: int, bound_utok: int) -> None:
        bank.admit(
            f"{name}:{letter}", bound_nusd=bound_nusd, bound_utok=bound_utok, reference=name
        )

    used = line(1, base_price_pusd=700_000, unit_price_pusd=900_000)
    hold = Hold(
        debit=WALLET,
        credit="escrow:order-1",
        amount=100,
        kind="escrow",
        expires_at=bank.clock.now() + timedelta(hours=1),
    )
    hold_id = transfer_id(f"post:{name}:hold", 0, at=bank.clock.now())
    part = Batch(key=f"{name}:post", commands=(PostHold(hold_id=hold_id, amount=60),))
    yield "hold", lambda: bank.post(hold, key=f"{name}:hold").require()
    yield "admit a", lambda: admit("a", plan.bound_nusd, plan.bound_utok)
    yield "settle a", lambda: bank.settle(f"{name}:a", used)
    yield "admit b", lambda: admit("b", 1_000, 2_000)
    yield "lose b", lambda: bank.do(metering.lose, attempt_id=f"{name}:b")
    yield "admit c", lambda: admit("c", plan.bound_nusd, plan.bound_utok)
    yield "release c", lambda: bank.do(metering.release, attempt_id=f"{name}:c")
    with Writer(database=bank.database, ledger=bank.ledger) as writer:
        yield "pay", lambda: writer.post(payment(f"{name}:pay", 5)).require()
        yield "post hold", lambda: writer.post(part).require()


def run_script(bank: Bank, name: str, plan: Script) -> None:
    for _, step in script(bank, name, plan):
        step()


def run_until_killed(place: Place, name: str, plan: Script, folder: Path, burns_at: int) -> None:
    """Do the script, telling each step that was acknowledged, until the fuse burns."""
    bank = place.open()
    fuse = Fuse(folder / "journal", burns_at=burns_at)
    event.listen(Engine, "before_cursor_execute", lambda *_: fuse.reach("statement"))
    post_all = bank.ledger.post_all

    def counted(*arguments: Any) -> Any:
        fuse._local.counts = True  # the writer's thread counts from here on, its commit too
        return post_all(*arguments)

    bank.ledger.post_all = counted  # type: ignore[assignment,method-assign]
    told = folder / f"told-{name}"
    with told.open("w", buffering=1) as acknowledged, fuse.counting():
        for step, work in script(bank, name, plan):
            work()
            acknowledged.write(f"{step}\n")


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = processes().Process(target=target, args=arguments)
    process.start()
    return process


# A load that goes on while servers and processes die

PATIENT_ERRORS = (DBAPIError, PostingUnknownError, WriterBusyError)


def load(place: Place, folder: Path, number: int, threads: int, seconds: float) -> None:
    """Pay and use until the time is over; what an earlier life left unanswered is asked again."""
    bank = place.open()
    until_s = time.monotonic() + seconds
    with Writer(database=bank.database, ledger=bank.ledger) as writer:
        clients = [
            threading.Thread(
                target=_load_client,
                args=(bank, writer, folder / f"{number}-{thread}", until_s),
            )
            for thread in range(threads)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    bank.database.dispose()


def _load_client(bank: Bank, writer: Writer, path: Path, until_s: float) -> None:
    tried, acknowledged = read_load([path])
    pending = [key for key in tried if key not in acknowledged and not is_given_up(key)]
    turn = len(tried)
    with path.open("a", buffering=1) as journal:
        while pending or time.monotonic() < until_s:
            if pending:
                key = pending.pop(0)
            else:
                key, turn = f"{path.name}-{turn}", turn + 1
                journal.write(f"try {key}\n")
            if _answered(bank, writer, key):
                journal.write(f"ack {key}\n")


def _answered(bank: Bank, writer: Writer, key: str) -> bool:
    """Ask until there is an answer; but give up at the first error for every fifth key."""
    while True:
        try:
            if is_payment(key):
                writer.post(payment(key, 1)).require()
            else:
                asked = request(attempt_id=key, bound_nusd=100, bound_utok=200, reference="load")
                bank.do(bank.metering.admit, asked)
                bank.settle(key, line(1, base_price_pusd=50_000, unit_price_pusd=60_000))
        except PATIENT_ERRORS:
            if is_given_up(key):
                return False
            time.sleep(0.05)
        else:
            return True


def is_given_up(key: str) -> bool:
    return int(key.rpartition("-")[2]) % 5 == 0


def is_payment(key: str) -> bool:
    return int(key.rpartition("-")[2]) % 2 == 0


def read_load(paths: Sequence[Path]) -> tuple[list[str], set[str]]:
    """Return what was tried, and what of it was acknowledged."""
    lines = [
        line.split()
        for path in paths
        if path.exists()
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    tried = [key for word, key in lines if word == "try"]
    return tried, {key for word, key in lines if word == "ack"}


def kill(process: ForkServerProcess) -> None:
    """Kill a process of ours with SIGKILL, and wait for its end."""
    assert process.pid is not None
    assert process.pid != os.getpid()
    process.kill()
    process.join(TIMEOUT_S)
