"""Random steps that ask the ledger and its model the same, and compare what they answer."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import text

from core.money import MAX_AMOUNT
from ledger import (
    Account,
    Batch,
    BatchResult,
    Cause,
    Hold,
    Metering,
    Move,
    PostHold,
    Reverse,
    VoidHold,
    Writer,
)
from ledger.books import transfer_id
from tests.fakes.bank import KAPPA, TOKEN, USD, Bank, line, request
from tests.fakes.clock import FakeClock
from tests.fakes.intruder import wipe
from tests.fakes.ledger_model import LedgerModel
from tests.fakes.model_books import WITHOUT_FLOOR, kind
from tests.fakes.refusals import caught, refusal_of, refusals

PURSES = ("wallet:a", "wallet:b", "escrow:o", "reward-pool:acme", "treasury:acme.bot")
STRANGE = (
    *("burn", "mint", "overdraft:acme.bot", "fiat-spent:sandbox"),
    *("fiat-overrun:acme:2026-01-05", "operator-loss", "purse:x"),
)
OWNER = "acme.bot"
CAUSE = Cause(budget="acme", owner=OWNER, reference="order")
PARENTS = {"acme.bot": "acme", "deep": "acme.bot"}
BUDGETS = ("acme", "acme.bot", "deep")
LIMIT_NUSD = 3 * USD
START = FakeClock().now()
CHILD_LIMIT_NUSD = USD // 2
RESERVE_PPM = 100_000
KAPPAS = (KAPPA, 333_333_333, 1_234_567_891)

odd = st.sampled_from([False] * 5 + [True])
codes = st.sampled_from(PURSES + STRANGE)
amounts = st.one_of(
    st.integers(1, 400 * TOKEN),
    st.sampled_from([-1, 0, 1, MAX_AMOUNT, MAX_AMOUNT + 1]),
)
ways = st.sampled_from(["post", "set", "writer"])
payers = st.sampled_from(PURSES[:3])
together = st.lists(st.sampled_from([2 * USD, USD + 1, 3 * USD, 7]), max_size=3)
endings = st.sampled_from(["settle", "settle", "lose", "release"])
shares = st.sampled_from([0, 33, 100, 130])


class LedgerMachine(RuleBasedStateMachine):
    """Asks ledger and model the same, and compares every answer and every account."""

    def __init__(self, bank: Bank) -> None:
        super().__init__()
        self.bank = bank
        bank.do(wipe)
        bank.clock.instant = START
        bank.set_up(daily_limit_nusd=LIMIT_NUSD, reserve_share_ppm=RESERVE_PPM)
        bank.do(bank.budgets.define, name="deep", parent="acme.bot")
        bank.set_budget("acme.bot", daily_limit_nusd=CHILD_LIMIT_NUSD)
        self.model = LedgerModel(bank.clock.now(), PARENTS)
        self.model.set_budget("acme", limit=LIMIT_NUSD, kappa=KAPPA, share=RESERVE_PPM)
        self.model.set_budget("acme.bot", limit=CHILD_LIMIT_NUSD)
        self.writer = Writer(database=bank.database, ledger=bank.ledger)
        self.writer.start()
        self.batches: list[Batch] = []
        self.attempts: list[str] = []
        self.banks = {False: bank, True: bank.observing}
        self.caps = [0]
        for code in PURSES[:2]:
            self.hand_over(f"start:{code}", code, 900 * TOKEN)

    # Posting

    @rule(data=st.data(), way=ways, count=st.integers(1, 3))
    def post(self, data: st.DataObject, way: str, count: int) -> None:
        batches = [self.draw_batch(data, len(self.batches) + place) for place in range(count)]
        self.compare(batches, way)
        self.batches += batches

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), way=ways, is_same=st.booleans())
    def replay(self, data: st.DataObject, way: str, is_same: bool) -> None:  # noqa: FBT001
        batch = data.draw(st.sampled_from(self.batches))
        if not is_same:
            more = Move(debit=PURSES[0], credit=PURSES[1], amount=1, kind="more")
            batch = Batch(key=batch.key, commands=(*batch.commands, more))
        self.compare([batch, batch], way)

    def draw_batch(self, data: st.DataObject, number: int) -> Batch:
        key = f"k{number}"
        size = data.draw(st.integers(1, 4))
        commands: list[Any] = []
        for _ in range(size):
            commands.append(self.draw_command(data, key, commands))
        mode = data.draw(st.sampled_from(["atomic", "independent", "linked"]))
        linked: set[int] = set()
        if mode == "linked" and size > 1:
            linked = data.draw(st.sets(st.integers(0, size - 2), min_size=1))
        return Batch(
            key=key,
            commands=tuple(commands),
            is_atomic=mode == "atomic",
            linked=frozenset(linked),
        )

    def draw_command(self, data: st.DataObject, batch: str, before: Sequence[Any]) -> Any:
        """Draw a command: mostly one that can be done, and at times any other."""
        at = self.model.now
        own = [transfer_id(f"post:{batch}", place, at=at) for place in range(len(before))]
        own_holds = [name for name, one in zip(own, before, strict=True) if isinstance(one, Hold)]
        if data.draw(odd):
            holds = [*self.model.books.holds, *own, "none"]
            return self.draw_odd(data, holds, [*self.model.books.transfers, *own, "none"])
        holds = [*self.open_holds, *own_holds]
        moved = [name for name, one in self.model.books.transfers.items() if one.is_reversible]
        kinds = ["move", "hold", "hold"] + ["post", "void"] * bool(holds)
        match data.draw(st.sampled_from(kinds + ["reverse"] * bool(moved))):
            case "move":
                return Move(**self.draw_movement(data))
            case "hold":
                hours = data.draw(st.sampled_from([None, 1, 30]))
                end = None if hours is None else self.model.now + timedelta(hours=hours)
                return Hold(**self.draw_movement(data), expires_at=end)
            case "post":
                name = data.draw(st.sampled_from(holds))
                held = self.model.books.holds.get(name)
                edges = (held.amount, held.amount // 2 or 1) if held else (1,)
                share = data.draw(st.sampled_from([None, *edges]))
                return PostHold(hold_id=name, amount=share)
            case "void":
                return VoidHold(hold_id=data.draw(st.sampled_from(holds)))
            case _:
                return Reverse(transfer_id=data.draw(st.sampled_from(moved)))

    def draw_movement(self, data: st.DataObject) -> dict[str, Any]:
        """Draw a payer that has something, and an amount that is at times one too many."""
        rests = {code: self.model.books.accounts[code].available for code in PURSES}
        debit = data.draw(st.sampled_from([code for code in PURSES if rests[code]] or PURSES))
        credit = data.draw(st.sampled_from([code for code in PURSES if code != debit]))
        rest = rests[debit]
        part = data.draw(st.sampled_from([rest // 3, rest // 2, rest // 5, rest, rest + 1]))
        return {"debit": debit, "credit": credit, "amount": max(1, part), "kind": "test"}

    def draw_odd(self, data: st.DataObject, holds: list[str], moved: list[str]) -> Any:
        movement = {
            "debit": data.draw(codes),
            "credit": data.draw(codes),
            "amount": data.draw(amounts),
            "kind": "test",
        }
        hold_id = data.draw(st.sampled_from(holds))
        share = data.draw(st.one_of(st.none(), amounts))
        late = data.draw(st.sampled_from([None, self.model.now]))
        odd_ones = [
            Move(**movement),
            Hold(**movement, expires_at=late),
            PostHold(hold_id=hold_id, amount=share),
            VoidHold(hold_id=hold_id),
            Reverse(transfer_id=data.draw(st.sampled_from(moved))),
        ]
        return data.draw(st.sampled_from(odd_ones))

    @property
    def open_holds(self) -> list[str]:
        """Those that anybody may settle."""
        return [
            name
            for name, held in self.model.books.holds.items()
            if held.status == "open"
            and held.credit != "burn"
            and kind(held.debit) != "fiat-budget"
        ]

    def compare(self, batches: list[Batch], way: str) -> None:
        known = set(self.model.answers)
        answers = self.answers(batches, way)
        expected = [self.model.post(batch) for batch in batches]
        assert [refusals(answer) for answer in answers] == expected
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, BatchResult):
                assert answer.is_replay is (batch.key in known)
            known.add(batch.key)

    def answers(self, batches: list[Batch], way: str) -> list[Any]:
        if way == "set":
            return self.bank.do(self.bank.ledger.post_all, batches)
        if way == "writer":
            futures = [self.writer.submit(batch) for batch in batches]
            return [caught(future.result) for future in futures]
        return [caught(self.bank.do, self.bank.ledger.post, batch) for batch in batches]

    @rule(hours=st.sampled_from([0, 0, 1, 23, 30]), sweeps=st.booleans())
    def pass_time(self, hours: int, sweeps: bool) -> None:  # noqa: FBT001
        """Go on by so many hours, or to the very instant at which a hold is over."""
        ends = [held.expires_at for held in self.model.books.holds.values() if held.expires_at]
        ahead = [end for end in ends if end > self.model.now]
        if ahead and not hours:
            self.bank.clock.instant = min(ahead)
        else:
            self.bank.clock.advance(hours=hours)
        self.model.now = self.bank.clock.now()
        if sweeps:
            self.sweep()

    @rule()
    def sweep(self) -> None:
        assert self.bank.do(self.bank.ledger.expire_holds) == self.model.expire()

    # Budgets

    @rule(
        to=st.sampled_from(["wallet:a", "wallet:b", "treasury:acme.bot", "reward-pool:acme"]),
        amount=st.integers(1, 1_500 * TOKEN),
    )
    def allocate(self, to: str, amount: int) -> None:
        self.hand_over(f"allocate:{len(self.model.services)}", to, amount)

    @precondition(lambda self: self.model.services)
    @rule(data=st.data(), more=st.integers(0, 1))
    def allocate_again(self, data: st.DataObject, more: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.services)))
        debit, credit, amount = self.model.services[key]
        if debit == "treasury:acme":
            self.hand_over(key.removeprefix("allocate:"), credit, amount + more)

    def hand_over(self, key: str, to: str, amount: int) -> None:
        self.agree(
            lambda: self.bank.do(
                self.bank.budgets.allocate,
                key=key,
                budget="acme",
                to=to,
                amount_utok=amount,
                reason="test",
            ),
            lambda: self.model.hand_over(
                f"allocate:{key}", "treasury:acme", to, amount, opens=True
            ),
        )

    @rule(to=st.sampled_from(["wallet:a", "escrow:o"]), amount=st.integers(1, 200 * TOKEN))
    def refund(self, to: str, amount: int) -> None:
        key = str(len(self.model.services))
        self.agree(
            lambda: self.bank.do(
                self.bank.budgets.refund_from_reserve,
                key=key,
                budget="deep",
                to=to,
                amount_utok=amount,
                reference="order",
            ),
            lambda: self.model.hand_over(f"refund:{key}", "reserve:acme", to, amount, opens=False),
        )

    @rule(limit=st.integers(0, 2 * LIMIT_NUSD), kappa=st.sampled_from(KAPPAS))
    def set_budget(self, limit: int, kappa: int) -> None:
        self.bank.set_budget(daily_limit_nusd=limit, utok_per_usd=kappa)
        self.model.set_budget("acme", limit=limit, kappa=kappa, share=RESERVE_PPM)

    @rule()
    def open_day(self) -> None:
        decision = self.bank.do(self.bank.budgets.open_day, "deep")
        self.model.open_day()
        cap = decision.daily_limit_nusd * decision.utok_per_usd // USD
        assert decision.issued_utok == max(0, cap - decision.circulating_utok)
        assert decision.reserve_utok <= decision.issued_utok

    # Attempts

    @rule(
        budget=st.sampled_from(BUDGETS),
        payer=payers,
        bound=st.one_of(st.sampled_from(["rest", "rest + 1"]), st.integers(1, USD // 4)),
        room=st.sampled_from([-1, 0, 1, 5 * TOKEN]),
    )
    def admit(self, budget: str, payer: str, bound: int | str, room: int) -> None:
        name = f"try-{len(self.attempts)}"
        if isinstance(bound, str):
            bound = max(1, self.model.rest(budget) + bound.endswith("1"))
        setting = self.model.books.days.get(self.model.day)
        kappa = setting[1] if setting else self.model.setting("acme")[2]  # type: ignore[index]
        asked = {"budget": budget, "payer": payer, "bound_nusd": bound}
        self.ask(attempt_id=name, **asked, bound_utok=max(1, ceil(bound * kappa / USD) + room))
        if name in self.model.books.tries:
            self.attempts.append(name)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), more=st.integers(0, 1))
    def admit_again(self, data: st.DataObject, more: int) -> None:
        name = data.draw(st.sampled_from(self.attempts))
        known = vars(self.model.books.tries[name].request)
        self.ask(**known | {"bound_nusd": known["bound_nusd"] + more})

    def ask(self, **fields: Any) -> None:
        asked = request(**fields)
        self.agree(
            lambda: self.bank.do(self.metering.admit, asked), lambda: self.model.admit(asked)
        )

    @precondition(lambda self: self.attempts)
    @rule(
        data=st.data(),
        ending=endings,
        share=shares,
        premium=st.integers(0, 900),
    )
    def end(self, data: st.DataObject, ending: str, share: int, premium: int) -> None:
        """End an attempt in one of the ways, or try to end it again; 130 % is overbilling."""
        self.end_one(data.draw(st.sampled_from(self.attempts)), ending, share, premium)

    def end_one(self, name: str, ending: str, share: int, premium: int) -> None:
        bound = self.model.books.tries[name].request.bound_nusd
        used = (
            line(bound * share // 100, base_price_pusd=1_000, unit_price_pusd=1_000 + premium),
            line(1, base_price_pusd=premium, unit_price_pusd=premium + 1),
        )
        named = {"lines": used} if ending == "settle" else {}
        self.agree(
            lambda: self.bank.do(getattr(self.metering, ending), attempt_id=name, **named),
            lambda: getattr(self.model, ending)(name, *named.values()),
        )

    # Observe-only mode

    @property
    def metering(self) -> Metering:
        """The service in the mode of the moment."""
        return self.banks[self.model.is_observing].metering

    @rule()
    def switch(self) -> None:
        self.model.is_observing = not self.model.is_observing

    @initialize(data=st.data(), bounds=together)
    def begin_with_loans(self, data: st.DataObject, bounds: list[int]) -> None:
        """Let many examples meet loans: most rules seldom lend anything."""
        self.borrow_together(data, bounds)

    @rule(data=st.data(), bounds=together)
    def borrow_together(self, data: st.DataObject, bounds: list[int]) -> None:
        """Admit attempts that one day cannot cover, and end them in any order and mode."""
        self.model.is_observing = True
        first = len(self.attempts)
        for bound in bounds:
            self.admit(budget="acme", payer=data.draw(payers), bound=bound, room=5 * TOKEN)
        for name in data.draw(st.permutations(self.attempts[first:])):
            self.model.is_observing = data.draw(st.booleans())
            self.end_one(name, data.draw(endings), data.draw(shares), premium=300)

    @rule(
        debit=st.sampled_from(PURSES[:2]),
        more=st.sampled_from([-1, 0, 1, 50 * TOKEN]),
        is_new=st.booleans(),
    )
    def pay(self, debit: str, more: int, is_new: bool) -> None:  # noqa: FBT001
        """Pay what is there, or a little more or less; or pay again what was paid."""
        paid = {k: v for k, v in self.model.services.items() if k.startswith("pay:")}
        key, amount, credit = f"pay:{len(self.model.services)}", 0, "escrow:o"
        if paid and not is_new:
            key, (debit, credit, amount) = max(paid.items())
        amount = amount or max(1, self.model.books.accounts[debit].available + more)
        named = {"kind": "escrow", "reference": CAUSE.reference}
        move = Move(debit=debit, credit=credit, amount=amount, **named)
        self.agree(
            lambda: self.bank.do(self.metering.lending.pay, key=key, move=move, cause=CAUSE),
            lambda: self.model.pay(key, debit, credit, amount, OWNER),
        )

    @rule(part=st.sampled_from([0, 1, 3]))
    def give_back(self, part: int) -> None:
        """Give a part of what is owed back, as an order does at its end."""
        owed = -self.model.books.accounts[f"overdraft:{OWNER}"].balance
        amount = owed // part if part else 0
        key = f"return:{len(self.model.services)}"
        given = {"key": key, "account": "escrow:o", "cause": CAUSE, "amount_utok": amount}
        self.agree(
            lambda: self.bank.do(self.metering.lending.give_back, **given),
            lambda: self.model.give_back(key, "escrow:o", amount, OWNER),
        )

    def agree(self, ask: Callable[[], Any], predict: Callable[[], Any]) -> None:
        """Ask both; they must do it both, or refuse it both for the same reason."""
        assert refusal_of(ask) == refusal_of(predict)

    # What holds after every step

    @invariant()
    def accounts_are_the_models(self) -> None:
        with self.bank.database.reading() as session:
            stored = self.bank.ledger.accounts(session).items
        found = {
            account.code: (
                account.credits_posted,
                account.debits_posted,
                account.debits_held,
                account.credits_held,
            )
            for account in stored
        }
        expected = {
            code: (sums.credits, sums.debits, sums.outgoing, sums.incoming)
            for code, sums in self.model.books.accounts.items()
        }
        assert {k: v for k, v in found.items() if any(v)} == {
            k: v for k, v in expected.items() if any(v)
        }

    @invariant()
    def nothing_is_negative_and_all_adds_up(self) -> None:
        with self.bank.database.reading() as session:
            accounts = self.bank.ledger.accounts(session).items
            issued, lent, burned = (
                int(session.execute(text(query)).scalar_one())
                for query in (
                    "SELECT COALESCE(SUM(issued_utok), 0) FROM ledger_issuance_decisions",
                    "SELECT COALESCE(SUM(amount), 0) FROM ledger_loans WHERE currency = 'utok'",
                    "SELECT COALESCE(SUM(burn_utok), 0) FROM ledger_usage",
                )
            )
        totals: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for account in accounts:
            totals[account.currency.value] += account.balance
            held[account.currency.value] += account.debits_held - account.credits_held
            if kind(account.code) not in WITHOUT_FLOOR:
                assert 0 <= account.debits_held <= account.balance
        assert not any(totals.values())
        assert not any(held.values())
        money = sum(
            account.balance
            for account in accounts
            if account.currency.value == "utok" and kind(account.code) not in WITHOUT_FLOOR
        )
        assert money == issued + lent - burned
        self.caps += [limit * kappa // USD for limit, kappa in self.model.books.days.values()]
        assert money - lent <= max(self.caps)
        self.check_days({account.code: account for account in accounts})

    def check_days(self, accounts: dict[str, Account]) -> None:
        """A day owes just what was admitted beyond its limit, and has nothing left if it owes."""
        for day, (limit_nusd, _) in self.model.books.days.items():
            fiat = accounts.get(f"fiat-budget:acme:{day}")
            lender = accounts.get(f"fiat-overrun:acme:{day}")
            admitted_nusd = sum(
                one.liability_nusd for one in self.model.books.tries.values() if one.day == day
            )
            owed_nusd = -lender.balance if lender else 0
            assert owed_nusd == max(0, admitted_nusd - limit_nusd)
            assert fiat is None or not (owed_nusd and fiat.available)

    def teardown(self) -> None:
        self.writer.close()
        report = self.bank.verify()
        assert report.verified, report.to_json()
