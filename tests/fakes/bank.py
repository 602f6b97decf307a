"""A ledger with all its services over a test's database, on a clock that the test moves."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from aem.proof import Envelope, TrustRoot
from aem.proof.audit import AuditReport
from core.database import Database
from core.signing import KeyFileSigner
from ledger import (
    Account,
    Attempt,
    AttemptRequest,
    Audit,
    Batch,
    BatchResult,
    BudgetAmounts,
    Budgets,
    Checkpoints,
    Enforcement,
    Export,
    Ledger,
    Metering,
    Proofs,
    UsageLine,
)
from tests.fakes.clock import FakeClock

ORIGIN = "ledger.example"
USD = 1_000_000_000
TOKEN = 1_000_000
KAPPA = 1_000 * TOKEN  # 1,000 tokens a US dollar

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Bank:
    """The services, and the few requests that most tests make."""

    database: Database
    clock: FakeClock
    signer: KeyFileSigner
    ledger: Ledger
    checkpoints: Checkpoints
    export: Export
    proofs: Proofs
    budgets: Budgets
    metering: Metering
    audit: Audit

    @classmethod
    def open(cls, database: Database, key_folder: Path) -> "Bank":
        signer = KeyFileSigner(key_folder)
        signer.create_missing()
        clock = FakeClock()
        return cls(
            database=database,
            clock=clock,
            signer=signer,
            ledger=Ledger(clock=clock),
            checkpoints=Checkpoints(clock=clock, signer=signer, origin=ORIGIN),
            export=Export(signer=signer, origin=ORIGIN),
            proofs=Proofs(signer=signer),
            budgets=Budgets(clock=clock),
            metering=Metering(clock=clock),
            audit=Audit(signer=signer, origin=ORIGIN),
        )

    @property
    def observing(self) -> "Bank":
        """The same bank, in observe-only mode."""
        return replace(self, metering=Metering(clock=self.clock, enforcement=Enforcement.OBSERVE))

    def do(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """Call a service's method in a transaction of its own."""
        with self.database.transaction() as session:
            return work(session, *arguments, **named)

    def set_up(
        self, *, daily_limit_nusd: int = 10 * USD, reserve_share_ppm: int = 100_000
    ) -> None:
        """Make the tree acme -> acme.bot, and set the root's daily budget."""
        self.do(self.budgets.define, name="acme")
        self.do(self.budgets.define, name="acme.bot", parent="acme")
        self.set_budget(
            daily_limit_nusd=daily_limit_nusd,
            utok_per_usd=KAPPA,
            reserve_share_ppm=reserve_share_ppm,
        )

    def set_budget(self, name: str = "acme", **amounts: int) -> None:
        self.do(self.budgets.set, budget=name, amounts=BudgetAmounts(**amounts), actor="operator")

    def fund(self, to: str, amount_utok: int, *, key: str = "fund") -> None:
        """Allocate tokens from the root's treasury."""
        self.do(
            self.budgets.allocate,
            key=f"{key}:{to}",
            budget="acme",
            to=to,
            amount_utok=amount_utok,
            reason="a test",
        )

    def post(self, *commands: Any, key: str = "key", is_atomic: bool = True) -> BatchResult:
        batch = Batch(key=key, commands=commands, is_atomic=is_atomic)
        return self.do(self.ledger.post, batch)

    def account(self, code: str) -> Account:
        with self.database.reading() as session:
            return self.ledger.account(session, code)

    def balance(self, code: str) -> int:
        return self.account(code).balance

    def admit(self, attempt_id: str = "try-1", **changed: Any) -> Attempt:
        return self.do(self.metering.admit, request(attempt_id, **changed))

    def settle(self, attempt_id: str = "try-1", *lines: UsageLine) -> Attempt:
        return self.do(self.metering.settle, attempt_id=attempt_id, lines=lines or (line(),))

    def checkpoint(self) -> Envelope:
        """Sign the log's head, if it grew, and return the newest checkpoint."""
        with self.database.reading() as session:
            due = self.checkpoints.due(session)
        if due is not None:
            self.do(self.checkpoints.keep, self.checkpoints.sign(due))
        with self.database.reading() as session:
            return self.checkpoints.latest(session)

    @property
    def trust(self) -> TrustRoot:
        """The keys that the bank's signer has published."""
        return TrustRoot.from_envelope(self.signer.trust())

    def exported(self, session: Session | None = None, **bounds: int) -> bytes:
        """Return the export as a file's bytes; of a session's own view, if one is given."""
        if session is not None:
            lines = list(self.export.lines(session, **bounds))
        else:
            with self.database.reading() as fresh:
                lines = list(self.export.lines(fresh, **bounds))
        return gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=1)

    def verify(self, *outside: Envelope) -> AuditReport:
        with self.database.reading() as session:
            return self.audit.verify(session, outside=outside)


def request(attempt_id: str = "try-1", **changed: Any) -> AttemptRequest:
    """Ask for an attempt that costs at most one US dollar and 1,500 tokens."""
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "budget": "acme.bot",
        "owner": "acme.bot",
        "payer": "wallet:acme.bot",
        "provider": "sandbox",
        "resource": "sandbox-second",
        "bound_nusd": USD,
        "bound_utok": 1_500 * TOKEN,
        "reference": "order-1",
    }
    return AttemptRequest(**(fields | changed))


def line(quantity: int = 400, **changed: Any) -> UsageLine:
    """Report 400 ms at 1 mUSD each, with a congestion premium of 20 %."""
    fields: dict[str, Any] = {
        "resource": "sandbox-second",
        "quantity": quantity,
        "unit": "ms",
        "base_price_pusd": USD,
        "unit_price_pusd": 1_200_000_000,
        "price_tick": 7,
        "quality": 0.5,
        "latency_ms": 12,
    }
    return UsageLine(**(fields | changed))
