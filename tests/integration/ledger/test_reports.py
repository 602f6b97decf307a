"""Reports against the journal itself: every sum is what adding up the transfers gives."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select

from core.money import Currency
from ledger import (
    AccountCodeError,
    AccountNotFoundError,
    BatchError,
    Hold,
    Move,
    PostHold,
    ReportError,
    Reports,
    Summaries,
    Transfer,
    VoidHold,
)
from ledger.store.journal import transfer_of
from ledger.store.tables import transfers
from tests.fakes.bank import TOKEN, USD, Bank, line

MOVED = ("posted", "post")
MICROSECOND = timedelta(microseconds=1)


class Books:
    """A bank with some days of random business, and its transfers as they are in the journal."""

    def __init__(self, bank: Bank, *, seed: int = 7, steps: int = 60) -> None:
        self.bank = bank
        self.summaries = Summaries()
        self.reports = Reports(clock=bank.clock)
        choose = random.Random(seed)
        bank.set_up()
        bank.fund("wallet:acme.bot", 3_000 * TOKEN)
        bank.fund("wallet:acme.other", 1_000 * TOKEN)
        for step in range(steps):
            bank.clock.advance(minutes=choose.choice([0, 1, 17, 55, 300]))
            self.act(choose, str(step))
            if step % 7 == 0:
                bank.do(self.summaries.advance, limit=choose.choice([1, 5, 1_000]))

    def act(self, choose: random.Random, key: str) -> None:
        wallets = ["wallet:acme.bot", "wallet:acme.other"]
        choose.shuffle(wallets)
        amount = choose.randrange(1, 20 * TOKEN)
        match choose.randrange(3):
            case 0:
                move = Move(debit=wallets[0], credit=wallets[1], amount=amount, kind="gift")
                self.bank.post(move, key=key)
            case 1:
                hold = Hold(debit=wallets[0], credit=wallets[1], amount=amount, kind="hold")
                for transfer in self.bank.post(hold, key=key).transfers:
                    hold_id = transfer.id
                    part = PostHold(hold_id=hold_id, amount=choose.randrange(1, amount + 1))
                    end = choose.choice([part, VoidHold(hold_id=hold_id), None])
                    if end is not None:
                        self.bank.post(end, key=f"{key}-end")
            case _:
                bound = {"bound_nusd": USD // 50, "bound_utok": 40 * TOKEN}
                self.bank.admit(key, provider=choose.choice(["sandbox", "openai"]), **bound)
                self.bank.settle(key, line(choose.randrange(1, 15)))

    def journal(self) -> list[Transfer]:
        with self.bank.database.reading() as session:
            rows = session.execute(select(transfers)).mappings()
            return [transfer_of(row) for row in rows]

    def look(self, question: Callable[..., Any], **named: Any) -> Any:
        with self.bank.database.reading() as session:
            return question(session, **named)

    def ask(self, question: str, *arguments: Any, **named: Any) -> Any:
        with self.bank.database.reading() as session:
            return getattr(self.reports, question)(session, *arguments, **named)

    def mean_money(self, start: datetime, end: datetime) -> Fraction:
        """The mean of M: each token for as long as it was there."""
        area = 0
        for transfer in self.journal():
            if transfer.phase.value in MOVED and transfer.at < end:
                change = (transfer.debit == "mint") - (transfer.credit == "burn")
                there = end - max(start, transfer.at)
                area += change * transfer.amount * (there // MICROSECOND)
        return Fraction(area, (end - start) // MICROSECOND)

    def sums(self, at: datetime) -> dict[str, list[int]]:
        """Debits and credits by account, added up from single transfers."""
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for transfer in self.journal():
            if transfer.phase.value in MOVED and transfer.at < at:
                found[transfer.debit][0] += transfer.amount
                found[transfer.credit][1] += transfer.amount
        return found


@pytest.fixture
def books(bank: Bank) -> Books:
    return Books(bank)


def instants(books: Books) -> list[datetime]:
    at = sorted({transfer.at for transfer in books.journal()})
    some = random.Random(1).sample(at, 6)
    return [*some, *(a + timedelta(microseconds=1) for a in some), at[-1] + timedelta(days=40)]


def test_balances_at_any_instant_are_the_journals(books: Books) -> None:
    for _ in range(2):  # with a part folded in, then with all
        for at in instants(books):
            found = {row.account: row for row in books.ask("balances", at=at).items}
            expected = books.sums(at)
            for code, row in found.items():
                assert [row.debits, row.credits] == expected[code], (code, at)
                assert row.balance == row.credits - row.debits
        while books.bank.do(books.summaries.advance):
            pass


def test_balances_of_now_are_the_stored_ones(books: Books) -> None:
    for row in books.ask("balances").items:
        assert row.balance == books.bank.balance(row.account)


def test_trial_balance_is_balanced_and_counts_all(books: Books) -> None:
    for at in instants(books):
        trial = books.ask("trial_balance", at=at)
        assert trial.is_balanced
        expected = books.sums(at)
        for row in trial.lines:
            own = [s for code, s in expected.items() if code.partition(":")[0] == row.accounts]
            assert [row.debits, row.credits] == [sum(s[0] for s in own), sum(s[1] for s in own)]
        for currency, total in trial.totals.items():
            lines = [row for row in trial.lines if row.currency.value == currency]
            assert total.debits == total.credits == sum(row.debits for row in lines)
    assert {row.currency for row in trial.lines} == set(Currency)


def test_a_forged_transfer_unbalances_the_trial(books: Books) -> None:
    while books.bank.do(books.summaries.advance):
        pass
    with books.bank.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE ledger_account_sums SET credits = credits + 1 WHERE account = 'burn'"
        )
    assert not books.ask("trial_balance").is_balanced


def test_a_statement_closes_where_the_next_one_opens(books: Books) -> None:
    first, second, third = sorted(instants(books))[:3]
    for code in ("wallet:acme.bot", "burn", "fiat-spent:sandbox"):
        one = books.ask("statement", code, start=first, end=second)
        two = books.ask("statement", code, start=second, end=third)
        assert one.closing == two.opening
        for found, start, end in ((one, first, second), (two, second, third)):
            opened, closed = books.sums(start)[code], books.sums(end)[code]
            assert found.opening == opened[1] - opened[0]
            assert found.closing == closed[1] - closed[0]
            assert [found.debits, found.credits] == [
                c - o for c, o in zip(closed, opened, strict=True)
            ]


def test_a_statements_pages_hold_each_line_once_in_order(books: Books) -> None:
    code, cursor, lines = "wallet:acme.bot", "", []
    while cursor is not None:
        page = books.ask("statement", code, after=cursor, limit=7).lines
        lines += page.items
        cursor = page.next_cursor
    with books.bank.database.reading() as session:
        log = books.bank.ledger.transfers(session, limit=500).items
    mine = [t for t in log if code in (t.debit, t.credit)]
    assert lines == [t for t in mine if t.phase.value in MOVED]
    assert len(lines) > 14


def test_lists_of_an_account_and_an_owner_page_through_all(books: Books) -> None:
    """Many records share an instant, and pages end within it."""
    ledger = books.bank.ledger
    with books.bank.database.reading() as session:
        log = ledger.transfers(session, limit=500).items
        used = ledger.usage(session, limit=500).items
        code = "wallet:acme.bot"
        mine = [t for t in log if code in (t.debit, t.credit)]
        assert pages(ledger.transfers, session, account=code) == mine
        newest = lambda session, **named: ledger.statement(session, code, **named).transfers  # noqa: E731
        assert pages(newest, session) == mine[::-1]
        assert pages(ledger.usage, session, owner="acme.bot") == list(used)
        assert pages(ledger.transfers, session) == list(log)
        assert pages(ledger.usage, session) == list(used)


def pages(ask: Any, session: Any, **named: Any) -> list[Any]:
    found, cursor = [], ""
    while cursor is not None:
        page = ask(session, after=cursor, limit=3, **named)
        found += page.items
        cursor = page.next_cursor
    return found


def test_a_transfer_that_commits_late_counts_where_it_is_dated(books: Books) -> None:
    """Folding has gone past its hour when it arrives."""
    while books.bank.do(books.summaries.advance):
        pass
    late = books.bank.clock.instant - timedelta(days=1, hours=3)
    now, books.bank.clock.instant = books.bank.clock.instant, late
    move = Move(debit="wallet:acme.bot", credit="bond:x", amount=5, kind="late")
    books.bank.post(move, key="late").require()
    books.bank.clock.instant = now
    for _ in range(2):
        for at, amount in ((late, 0), (late + timedelta(microseconds=1), 5), (now, 5)):
            assert books.ask("statement", "bond:x", end=at).closing == amount
            trial = books.ask("trial_balance", at=at)
            (bonds,) = (row for row in trial.lines if row.accounts == "bond")
            assert bonds.balance == amount
        books.bank.do(books.summaries.advance)


def test_usage_is_summed_by_any_keys(books: Books) -> None:
    with books.bank.database.reading() as session:
        records = books.bank.ledger.usage(session).items
    for _ in range(2):
        for keys in (("provider",), ("day", "owner"), ("resource", "unit", "budget"), ()):
            found = books.ask("usage_summary", by=keys)
            assert sum(row.records for row in found) == len(records)
            assert sum(row.cost_nusd for row in found) == sum(r.cost_nusd for r in records)
            assert sum(row.charge_utok for row in found) == sum(r.charge_utok for r in records)
        own = [r for r in records if r.provider == "openai" and f"{r.at:%Y-%m-%d}" >= "2026-01-07"]
        (row,) = books.ask(
            "usage_summary",
            by=("provider",),
            start="2026-01-07",
            filters={"provider": "openai"},
        )
        assert (row.records, row.quantity) == (len(own), sum(r.quantity for r in own))
        assert row.keys == {"provider": "openai"}
        while books.bank.do(books.summaries.advance):
            pass


def test_quantities_of_different_units_are_never_added(bank: Bank) -> None:
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    bank.admit()
    one = line(100)
    bank.settle("try-1", one, replace(one, unit="case", quantity=3), replace(one, quantity=20))
    reports = Reports(clock=bank.clock)
    for _ in range(2):
        with bank.database.reading() as session:
            (mixed,) = reports.usage_summary(session, by=("day", "provider", "owner"))
            apart = reports.usage_summary(session, by=("day", "unit"))
            (*_, spent) = reports.spend(session)
            (root, *_) = reports.spend(session)
        assert (mixed.records, mixed.quantity, mixed.cost_nusd) == (3, None, mixed.cost_nusd)
        assert mixed.cost_nusd == sum(row.cost_nusd for row in apart) > 0
        assert {row.keys["unit"]: row.quantity for row in apart} == {"case": 3, one.unit: 120}
        assert (spent.own.quantity, root.subtree.quantity, root.own.quantity) == (None, None, 0)
        bank.do(Summaries().advance)


def test_usage_falls_on_the_operators_day(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="acme", time_zone="Asia/Tokyo")
    bank.do(bank.budgets.define, name="acme.bot", parent="acme")
    bank.set_budget(daily_limit_nusd=10 * USD, utok_per_usd=1_000 * TOKEN)
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    bank.clock.instant = datetime(2026, 1, 5, 16, tzinfo=UTC)  # past midnight in Tokyo
    bank.admit()
    bank.settle()
    reports = Reports(clock=bank.clock)
    with bank.database.reading() as session:
        (row,) = reports.usage_summary(session, by=("day",))
    assert row.keys == {"day": "2026-01-06"}


def test_spend_adds_up_the_tree(books: Books) -> None:
    root, bot = books.ask("spend")
    assert (root.budget, bot.budget, bot.path) == ("acme", "acme.bot", "acme/acme.bot")
    assert root.own.records == 0
    assert root.subtree == bot.own == bot.subtree
    assert bot.own.cost_nusd == sum(
        books.bank.balance(f"fiat-spent:{provider}") for provider in ("sandbox", "openai")
    )


def test_indicators_are_the_journals(books: Books) -> None:
    journal = books.journal()
    start, end = journal[0].at, max(t.at for t in journal)
    start = min(t.at for t in journal) + timedelta(minutes=31)
    found = books.ask("indicators", start=start, end=end)
    wallets = {t.debit for t in journal} | {t.credit for t in journal}
    wallets = {code for code in wallets if code.startswith("wallet:")}
    assert found.wallets == len(wallets) == 2
    paid = sum(
        t.amount
        for t in journal
        if t.debit in wallets and t.phase.value in MOVED and start <= t.at < end
    )
    assert found.spent_utok == paid > 0

    mean = books.mean_money(start, end)
    assert found.mean_money_utok == int(mean)
    assert found.velocity == pytest.approx(float(paid / mean))
    sums = books.sums(end)
    assert found.money_utok == sum(sums[code][0] - sums[code][1] for code in ("mint", "burn"))


def test_a_window_that_is_not_given_is_the_span_that_has_data(books: Books) -> None:
    instants = [t.at for t in books.journal() if t.phase.value in MOVED]
    books.bank.clock.advance(days=90)
    found = books.ask("indicators")
    assert (found.start, found.end) == (min(instants), max(instants) + timedelta(microseconds=1))
    assert (found.data.first_at, found.data.last_at) == (min(instants), max(instants))
    hours = {at.replace(minute=0, second=0, microsecond=0) for at in instants}
    assert found.data.hours >= len(hours)
    assert found.velocity > 0
    sided = books.ask("indicators", end=max(instants))
    assert (sided.start, sided.end) == (min(instants), max(instants))
    open_ended = books.ask("indicators", start=sorted(instants)[5])
    assert open_ended.end == found.end


def test_at_most_the_last_thirty_days_that_have_data_count(books: Books) -> None:
    books.bank.clock.advance(days=40)
    books.bank.fund("wallet:acme.bot", TOKEN, key="later")
    now = books.bank.clock.instant
    books.bank.clock.advance(days=40)
    found = books.ask("indicators")
    assert found.end == now + timedelta(microseconds=1)
    assert found.end - found.start == timedelta(days=30)
    assert (found.data.first_at, found.data.last_at, found.data.hours) == (now, now, 1)


def test_minutes_of_data_are_averaged_over_minutes(bank: Bank) -> None:
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    bank.clock.advance(minutes=10)
    bank.post(Move(debit="wallet:acme.bot", credit="wallet:acme", amount=TOKEN, kind="gift"))
    with bank.database.reading() as session:
        found = Reports(clock=bank.clock).indicators(session)
        assert found.mean_money_utok == found.money_utok > 0
    assert found.velocity == pytest.approx(TOKEN / found.money_utok)


def test_tokens_issued_and_burned_within_an_hour_count_for_as_long_as_they_were_there(
    bank: Bank,
) -> None:
    hour = bank.clock.instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    bank.clock.instant = hour + timedelta(minutes=1)
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    bank.clock.advance(minutes=29)
    bank.admit("try")
    bank.settle("try", line(100))
    burned_utok = bank.balance("burn")
    bank.clock.advance(hours=5)
    issued_utok = 10_000 * TOKEN
    for is_folded in (False, True):
        if is_folded:
            bank.do(Summaries().advance)
        with bank.database.reading() as session:
            reports = Reports(clock=bank.clock)
            found = reports.indicators(session, start=hour, end=hour + timedelta(hours=1))
            assert found.mean_money_utok == (59 * issued_utok - 30 * burned_utok) // 60
            assert found.velocity is not None


def test_a_long_mean_is_off_by_half_an_hour_of_what_was_burned_at_most(books: Books) -> None:
    """The first tokens, and what is burned at both ends of the window, count exactly."""
    books.bank.clock.advance(days=10)
    instants = [t.at for t in books.journal() if t.phase.value in MOVED]
    books.bank.do(books.summaries.advance)
    for start in (min(instants) - timedelta(minutes=3), min(instants) + timedelta(minutes=31)):
        end = start + timedelta(days=9)
        burned = sum(
            t.amount
            for t in books.journal()
            if t.credit == "burn" and t.phase.value in MOVED and start <= t.at < end
        )
        off = books.ask("indicators", start=start, end=end).mean_money_utok
        off -= books.mean_money(start, end)
        assert abs(off) <= Fraction(burned, 2 * 9 * 24) + 1


def test_a_window_ends_by_now(books: Books) -> None:
    now = books.bank.clock.instant
    start = now - timedelta(hours=30)
    found = books.ask("indicators", start=start, end=now + timedelta(days=3))
    assert found.end == now + MICROSECOND
    assert found.mean_money_utok == int(books.mean_money(start, found.end))
    with pytest.raises(ReportError, match="before now"):
        books.ask("indicators", start=now + timedelta(days=1), end=now + timedelta(days=2))


def test_where_nothing_moved_there_is_no_velocity(books: Books, bank: Bank) -> None:
    last = max(t.at for t in books.journal())
    bank.clock.advance(days=3)
    found = books.ask("indicators", start=last + timedelta(days=1), end=last + timedelta(days=2))
    assert (found.data, found.velocity, found.spent_utok) == (None, None, 0)
    assert found.gini is not None, "what wallets have is known without any move"
    early = books.ask("indicators", end=datetime(2020, 1, 1, tzinfo=UTC))
    assert (early.data, early.gini, early.wallets) == (None, None, 0)


def test_an_empty_ledger_has_no_data(bank: Bank) -> None:
    with bank.database.reading() as session:
        found = Reports(clock=bank.clock).indicators(session)
    assert (found.data, found.gini, found.velocity) == (None, None, None)


def test_what_makes_no_report_is_named(books: Books) -> None:
    now = books.bank.clock.instant
    for question, named in (
        ("usage_summary", {"by": ("colour",)}),
        ("usage_summary", {"by": ("day",), "start": "2026-1-5"}),
        ("spend", {"start": "2026-01-06", "end": "2026-01-05"}),
        ("indicators", {"start": now, "end": now}),
    ):
        with pytest.raises(ReportError):
            books.ask(question, **named)
    with pytest.raises(ReportError):
        books.ask("statement", "burn", start=now, end=now - timedelta(days=1))
    with pytest.raises(BatchError):
        books.ask("statement", "burn", after="yesterday~x")


def test_an_account_that_never_existed_is_refused_with_those_like_it(books: Books) -> None:
    ledger = books.bank.ledger
    for code, like in (
        ("wallet:acme.bto", "wallet:acme.bot"),
        ("wallet:acme.othr", "wallet:acme.other"),
        ("treasury:acne", "treasury:acme"),
    ):
        for ask in (
            lambda code: books.ask("statement", code),
            lambda code: books.ask("balances", prefix=code),
            lambda code: books.look(ledger.transfers, account=code),
            lambda code: books.look(ledger.transfers, account=code, reference="order-1"),
            lambda code: books.look(ledger.accounts, prefix=code),
        ):
            with pytest.raises(AccountNotFoundError) as refused:
                ask(code)
            assert like in refused.value.details["close_matches"]
            assert f"did you mean {refused.value.details['close_matches'][0]}" in str(
                refused.value
            )
    with pytest.raises(AccountNotFoundError) as refused:
        books.ask("statement", "wallet:nobody.at.all")
    assert refused.value.details["close_matches"] == []
    with pytest.raises(AccountNotFoundError) as refused:
        books.ask("balances", prefix="walet:")
    assert refused.value.details["close_matches"][0] == "wallet:"
    with pytest.raises(AccountCodeError):
        books.look(ledger.transfers, account="purse:acme")


def test_what_is_empty_and_exists_is_shown(books: Books) -> None:
    ledger = books.bank.ledger
    assert books.ask("statement", "operator-loss").closing == 0
    for empty in ("bond:", "bond", "suspense:"):
        assert books.ask("balances", prefix=empty).items == ()
        assert books.look(ledger.accounts, prefix=empty).items == ()
    page = books.ask("balances", prefix="wallet:acme.bot", after="wallet:acme.bot")
    assert page.items == (), "the end of a list is no missing account"
