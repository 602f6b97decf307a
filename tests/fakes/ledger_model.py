"""The ledger once more, in plain dictionaries, written from its documentation.

It shares the words of requests, rejections and identifiers with the ledger, and no rule: where the
two differ, one of them is wrong. It is slow, keeps everything, and undoes by copying.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

from ledger import (
    AttemptRequest,
    Batch,
    Hold,
    Move,
    PostHold,
    RejectionReason,
    Reverse,
    UsageLine,
    VoidHold,
)
from ledger.books import transfer_id
from tests.fakes.model_books import (
    CLOSED,
    FIAT,
    LARGEST,
    NUSD,
    REUSED,
    ROOT,
    TOKENS,
    WITHOUT_FLOOR,
    Books,
    HeldMoney,
    Moved,
    Refusals,
    RefusedError,
    Try,
    is_known,
    kind,
)


class LedgerModel:
    """What the ledger must answer, and what its accounts must hold."""

    def __init__(self, now: datetime, parents: dict[str, str]) -> None:
        """`parents` are the budgets below the root, with their parents."""
        self.now = now
        self.parents = parents
        self.is_observing = False
        self.books = Books()
        self.answers: dict[str, tuple[Any, Refusals]] = {}
        self.services: dict[str, tuple[Any, ...]] = {}

    # Posting

    def post(self, batch: Batch) -> Refusals | str:
        request = (batch.commands, batch.is_atomic, batch.linked)
        if batch.key in self.answers:
            known, refusals = self.answers[batch.key]
            return refusals if known == request else REUSED
        refusals = tuple(
            refusal for chain in chains(batch) for refusal in self._chain(batch, chain)
        )
        self.answers[batch.key] = (request, refusals)
        return refusals

    def _chain(self, batch: Batch, chain: Sequence[int]) -> list[RejectionReason | None]:
        before = copy.deepcopy(self.books)
        for position in chain:
            refusal = self._apply(batch, position)
            if refusal is not None:
                self.books = before
                atomic = batch.is_atomic
                fallen = (
                    RejectionReason.BATCH_REJECTED if atomic else RejectionReason.CHAIN_REJECTED
                )
                return [refusal if other == position else fallen for other in chain]
        return [None] * len(chain)

    def _apply(self, batch: Batch, position: int) -> RejectionReason | None:
        command = batch.commands[position]
        reasons = self.reasons(command)
        if reasons:
            return min(reasons, key=list(RejectionReason).index)
        name = transfer_id(f"post:{batch.key}", position, at=self.now)
        match command:
            case Move():
                self._move(command.debit, command.credit, command.amount, name=name)
            case Hold():
                self._hold(name, command.debit, command.credit, command.amount, command.expires_at)
            case PostHold():
                held = self.books.holds[command.hold_id].amount
                amount = held if command.amount is None else command.amount
                self._free(command.hold_id, "posted", amount, name=name)
            case VoidHold():
                self._free(command.hold_id, "voided", name=name)
            case Reverse():
                first = self.books.transfers[command.transfer_id]
                first.is_reversed = True
                self._move(first.credit, first.debit, first.amount, name=name)
        return None

    def reasons(self, command: Any) -> set[RejectionReason]:
        """Return everything that is wrong with a command."""
        match command:
            case Move() | Hold():
                return set(self._wrong_movement(command))
            case PostHold() | VoidHold():
                return set(self._wrong_settlement(command))
            case _:
                return set(self._wrong_reversal(command.transfer_id))

    def _wrong_movement(self, command: Move | Hold) -> Iterator[RejectionReason]:
        sides = (command.debit, command.credit)
        if not all(is_known(code) for code in sides):
            yield RejectionReason.ACCOUNT_UNKNOWN
            return
        if any(kind(code) not in TOKENS for code in sides):
            yield RejectionReason.ACCOUNT_RESTRICTED
        if command.debit == command.credit:
            yield RejectionReason.ACCOUNTS_SAME
        if (kind(command.debit) in FIAT) != (kind(command.credit) in FIAT):
            yield RejectionReason.CURRENCY_MISMATCH
        if isinstance(command, Hold) and command.expires_at and command.expires_at <= self.now:
            yield RejectionReason.EXPIRY_NOT_AHEAD
        if command.amount <= 0:
            yield RejectionReason.AMOUNT_NOT_POSITIVE
        yield from self._wrong_room(command.debit, command.credit, command.amount)

    def _wrong_room(self, debit: str, credit: str, amount: int) -> Iterator[RejectionReason]:
        payer, payee = self.books.accounts[debit], self.books.accounts[credit]
        if max(payer.debits + payer.outgoing, payee.credits + payee.incoming) + amount > LARGEST:
            yield RejectionReason.OVERFLOW
        if kind(debit) not in WITHOUT_FLOOR and amount > payer.available:
            yield RejectionReason.INSUFFICIENT_FUNDS

    def _wrong_settlement(self, command: PostHold | VoidHold) -> Iterator[RejectionReason]:
        held = self.books.holds.get(command.hold_id)
        if held is None:
            yield RejectionReason.HOLD_NOT_FOUND
            return
        if any(kind(code) not in TOKENS for code in (held.debit, held.credit)):
            yield RejectionReason.ACCOUNT_RESTRICTED
        if held.status != "open":
            yield RejectionReason.HOLD_ALREADY_SETTLED
        if held.expires_at is not None and held.expires_at <= self.now:
            yield RejectionReason.HOLD_EXPIRED
        if isinstance(command, PostHold) and command.amount is not None:
            if command.amount <= 0:
                yield RejectionReason.AMOUNT_NOT_POSITIVE
            if command.amount > held.amount:
                yield RejectionReason.AMOUNT_EXCEEDS_HOLD

    def _wrong_reversal(self, name: str) -> Iterator[RejectionReason]:
        first = self.books.transfers.get(name)
        if first is None:
            yield RejectionReason.TRANSFER_NOT_FOUND
            return
        tied = any(kind(code) not in TOKENS for code in (first.debit, first.credit))
        if tied or not first.is_movement:
            yield RejectionReason.NOT_REVERSIBLE
        if first.is_reversed:
            yield RejectionReason.ALREADY_REVERSED
        yield from self._wrong_room(first.credit, first.debit, first.amount)

    def expire(self) -> int:
        """Sweep; return how many holds were over."""
        over = [
            name
            for name, held in self.books.holds.items()
            if held.status == "open" and held.expires_at and held.expires_at <= self.now
        ]
        for name in over:
            self._free(name, "expired")
        return len(over)

    def _move(self, debit: str, credit: str, amount: int, *, name: str = "") -> None:
        if amount:
            self.books.accounts[debit].debits += amount
            self.books.accounts[credit].credits += amount
            if name:
                self.books.transfers[name] = Moved(debit, credit, amount)

    def _hold(
        self, name: str, debit: str, credit: str, amount: int, expires_at: datetime | None = None
    ) -> None:
        self.books.accounts[debit].outgoing += amount
        self.books.accounts[credit].incoming += amount
        self.books.holds[name] = HeldMoney(debit, credit, amount, expires_at)
        self.books.transfers[name] = Moved(debit, credit, amount, is_movement=False)

    def _free(self, hold: str, status: str, posted: int = 0, *, name: str = "") -> None:
        held = self.books.holds[hold]
        held.status = status
        self.books.accounts[held.debit].outgoing -= held.amount
        self.books.accounts[held.credit].incoming -= held.amount
        self._move(held.debit, held.credit, posted, name=name)
        if not posted and name:
            self.books.transfers[name] = Moved(
                held.debit, held.credit, held.amount, is_movement=False
            )

    # Budgets

    @property
    def day(self) -> str:
        return self.now.astimezone(UTC).date().isoformat()

    @property
    def circulating(self) -> int:
        return sum(
            sums.balance for code, sums in self.books.accounts.items() if kind(code) in TOKENS
        )

    def set_budget(self, name: str, *, limit: int, kappa: int = 0, share: int = 0) -> None:
        """Set all amounts: at once if they are the first, else from tomorrow on."""
        known = self.books.settings.setdefault(name, [])
        if known and known[-1][1:] == (limit, kappa, share):
            return
        tomorrow = (self.now.astimezone(UTC) + timedelta(days=1)).date().isoformat()
        known.append((tomorrow if known else self.day, limit, kappa, share))

    def setting(self, name: str) -> tuple[str, int, int, int] | None:
        found = [one for one in self.books.settings.get(name, []) if one[0] <= self.day]
        return found[-1] if found else None

    def open_day(self) -> None:
        if self.day in self.books.days:
            return
        setting = self.setting(ROOT)
        assert setting is not None
        _, limit, kappa, share = setting
        mass = floor(Fraction(limit * kappa, NUSD))
        issued = max(0, mass - self.circulating)
        wanted = floor(Fraction(mass * share, 10**6))
        lacking = max(0, wanted - self.books.accounts[f"reserve:{ROOT}"].balance)
        to_reserve = min(issued, lacking)
        self._move("fiat-authority", self.fiat, limit)
        self._move("mint", f"treasury:{ROOT}", issued - to_reserve)
        self._move("mint", f"reserve:{ROOT}", to_reserve)
        self.books.days[self.day] = (limit, kappa)
        self.books.issued += issued

    @property
    def fiat(self) -> str:
        return f"fiat-budget:{ROOT}:{self.day}"

    @contextmanager
    def call(self) -> Iterator[None]:
        """What raises leaves nothing behind, not even the day that it opened."""
        before = copy.deepcopy(self.books)
        try:
            yield
        except RefusedError:
            self.books = before
            raise

    def hand_over(self, key: str, debit: str, credit: str, amount: int, *, opens: bool) -> None:
        """Allocate or refund, once for a key."""
        with self.call():
            if opens:
                self.open_day()
            request = (debit, credit, amount)
            if self.services.setdefault(key, request) != request:
                raise RefusedError(REUSED)
            if key in self.books.handed_over:
                return
            self.books.handed_over.add(key)
            if amount > self.books.accounts[debit].available:
                del self.services[key]
                raise RefusedError("insufficient_funds")
            name = transfer_id(f"budget:{key}", 0, at=self.now)
            self._move(debit, credit, amount, name=name)

    # Attempts

    def admit(self, request: AttemptRequest) -> None:
        name = request.attempt_id
        with self.call():
            if name in self.books.tries:
                if self.books.tries[name].request != request:
                    raise RefusedError(REUSED)
                return
            self.open_day()
            kappa = self.books.days[self.day][1]
            burn = ceil(Fraction(request.bound_nusd * kappa, NUSD))
            if request.bound_utok < burn:
                raise RefusedError("unbounded_cost")
            for budget in self.lineage(request.budget):
                setting = self.setting(budget)
                if setting and self.taken(budget) + request.bound_nusd > setting[1]:
                    self._refuse("budget_exhausted")
            overrun = max(0, request.bound_nusd - self.books.accounts[self.fiat].available)
            if overrun:
                self._refuse("budget_exhausted")
            overdraft = max(0, request.bound_utok - self.books.accounts[request.payer].available)
            if overdraft:
                self._refuse("insufficient_funds")
            found = Try(request, self.day, kappa, request.bound_nusd, overdraft)
            loans = bool(overrun) + bool(overdraft)
            key = f"attempt:{name}:admit"
            found.holds = tuple(transfer_id(key, loans + place, at=self.now) for place in range(2))
            self.books.tries[name] = found
            self._move(lender_of(self.fiat), self.fiat, overrun)
            self._move(f"overdraft:{request.owner}", request.payer, overdraft)
            spent = f"fiat-spent:{request.provider}"
            fiat_hold, token_hold = found.holds
            self._hold(fiat_hold, self.fiat, spent, request.bound_nusd)
            self._hold(token_hold, request.payer, "burn", request.bound_utok)

    def _refuse(self, reason: str) -> None:
        if not self.is_observing:
            raise RefusedError(reason)

    def pay(self, key: str, debit: str, credit: str, amount: int, owner: str) -> None:
        """Move tokens once for a key, and lend what the payer lacks of them."""
        if key in self.services:
            return
        lacking = max(0, amount - self.books.accounts[debit].available)
        if lacking:
            self._refuse("insufficient_funds")
        self.services[key] = (debit, credit, amount)
        self._move(f"overdraft:{owner}", debit, lacking)
        self._move(debit, credit, amount)

    def give_back(self, key: str, account: str, amount: int, owner: str) -> None:
        if key in self.services or not amount:
            return
        if amount > self.books.accounts[account].available:
            raise RefusedError("insufficient_funds")
        self.services[key] = (account, owner, amount)
        self._move(account, f"overdraft:{owner}", amount)

    def owed(self, fiat: str) -> int:
        """Return what a day's account was lent and has not given back."""
        return -self.books.accounts[lender_of(fiat)].balance

    def lineage(self, budget: str) -> list[str]:
        """Return a budget and those above it, without the root."""
        return [] if budget == ROOT else [budget, *self.lineage(self.parents[budget])]

    def taken(self, budget: str) -> int:
        return sum(
            one.liability_nusd
            for one in self.books.tries.values()
            if one.day == self.day and budget in self.lineage(one.request.budget)
        )

    def rest(self, budget: str) -> int:
        """Return what the limits below the root leave of the day for a budget."""
        limits = [(name, self.setting(name)) for name in self.lineage(budget)]
        rests = [setting[1] - self.taken(name) for name, setting in limits if setting]
        return min([self.books.accounts[self.fiat].available, *rests])

    def settle(self, name: str, lines: Sequence[UsageLine]) -> None:
        found = self._ending(name, ("settled", tuple(lines)))
        if found is None:
            return
        request, fiat = found.request, f"fiat-budget:{ROOT}:{found.day}"
        cost = ceil(sum(Fraction(one.quantity * one.base_price_pusd, 1_000) for one in lines))
        price = ceil(sum(Fraction(one.quantity * one.unit_price_pusd, 1_000) for one in lines))
        within = min(cost, request.bound_nusd)
        burn = ceil(Fraction(within * found.kappa, NUSD))
        charge = min(ceil(Fraction(price * found.kappa, NUSD)), request.bound_utok)
        over = cost - within
        recovered = min(over, self.books.accounts[fiat].available)
        self._close(name, within, burn)
        lent = max(0, min(found.overdraft_utok - request.bound_utok + charge, charge - burn))
        self._move(request.payer, f"treasury:{request.budget}", charge - burn - lent)
        self._move("operator-loss", f"fiat-spent:{request.provider}", over)
        self._move(fiat, "operator-loss", recovered)
        found.liability_nusd = within + recovered
        self._give_back(found, request.bound_nusd - within, request.bound_utok - charge + lent)

    def lose(self, name: str) -> None:
        found = self._ending(name, "lost")
        if found is None:
            return
        request, reserve = found.request, f"reserve:{ROOT}"
        self._close(name)
        fiat = f"fiat-budget:{ROOT}:{found.day}"
        self._move(fiat, f"suspense:{request.provider}", request.bound_nusd)
        self._give_back(found, 0, request.bound_utok)
        due = ceil(Fraction(request.bound_nusd * found.kappa, NUSD))
        self._move(reserve, "burn", min(due, self.books.accounts[reserve].available))

    def release(self, name: str) -> None:
        found = self._ending(name, "released")
        if found is not None:
            self._close(name)
            found.liability_nusd = 0
            self._give_back(found, found.request.bound_nusd, found.request.bound_utok)

    def _give_back(self, found: Try, freed_nusd: int, freed_utok: int) -> None:
        """Give back what was lent for the attempt and is free, and what its day owes at all."""
        request, fiat = found.request, f"fiat-budget:{ROOT}:{found.day}"
        unused = min(found.overdraft_utok, freed_utok)
        self._move(request.payer, f"overdraft:{request.owner}", unused)
        self._move(fiat, lender_of(fiat), min(self.owed(fiat), freed_nusd))

    def _ending(self, name: str, outcome: Any) -> Try | None:
        """Return an attempt that is to end so; None if it did before."""
        found = self.books.tries[name]
        if found.ended is None:
            found.ended = outcome
            return found
        if found.ended != outcome:
            raise RefusedError(CLOSED)
        return None

    def _close(self, name: str, nusd: int = 0, utok: int = 0) -> None:
        holds = self.books.tries[name].holds
        for hold, posted in zip(holds, (nusd, utok), strict=True):
            self._free(hold, "posted" if posted else "voided", posted)


def lender_of(fiat: str) -> str:
    return fiat.replace("fiat-budget", "fiat-overrun")


def chains(batch: Batch) -> Iterator[list[int]]:
    chain: list[int] = []
    for position in range(len(batch.commands)):
        chain.append(position)
        if not batch.is_atomic and position not in batch.linked:
            yield chain
            chain = []
    if chain:
        yield chain
