"""Exports that other tools take as they are, and in which they find what we say is there."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from arro3.io import read_parquet
from beancount import loader
from beancount.core import data, realization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from ledger import Hold, Journals, Move, PostHold, ReportError, Summaries, VoidHold
from ledger.formats import Journal
from ledger.formats.columns import COLUMNS
from ledger.formats.names import code_of
from tests.fakes.bank import TOKEN, USD, Bank, line
from tests.fakes.bookkeeping import bean_check, hledger_balances, hledger_check

HOSTILE = (
    'quotes " and \\ backslashes \\n',
    "two\nlines\r\n2026-01-05 * pay me\n    Assets:Cash  100 TOK\n    Equity:Mint",
    "; comment, date:2020-99-99 [2026-13-01] type:X |payee|",
    "\u2028\u00a0\x85 caf\u00e9 \u202eright to left \U0001f4b8 \x01\x7f",
    "=cmd|' /C calc'!A0",
    '{{}} %s $HOME `id` -- "',
)


def export(bank: Bank, name: str, **period: Any) -> bytes:
    with bank.database.reading() as session:
        return b"".join(Journals().export(session, format_name=name, **period))


def file_of(bank: Bank, folder: Path, name: str, **period: Any) -> Path:
    path = folder / f"ledger.{name}"
    path.write_bytes(export(bank, name, **period))
    return path


def do_business(bank: Bank) -> None:
    """A day with every kind of transfer, and texts that nobody should trust."""
    bank.admit("try-1")
    bank.settle("try-1")
    bank.admit("try-2", provider="Open_AI.com")
    bank.do(bank.metering.lose, attempt_id="try-2")
    bank.admit("try-3")
    for number, text in enumerate(HOSTILE):
        move = Move(
            debit="wallet:acme.bot",
            credit=f"wallet:Other_{number}.x-y",
            amount=number + 1,
            kind="gift",
            reference=text,
            memo=text,
        )
        bank.post(move, key=text).require()
    over = bank.clock.instant + timedelta(hours=1)
    for name, expires_at in (("whole", None), ("part", None), ("void", over), ("open", over)):
        hold = Hold(
            debit="wallet:acme.bot",
            credit="escrow:o",
            amount=10,
            kind="escrow",
            expires_at=expires_at,
        )
        (transfer,) = bank.post(hold, key=name).require()
        ends = {
            "whole": PostHold(hold_id=transfer.id),
            "part": PostHold(hold_id=transfer.id, amount=3),
            "void": VoidHold(hold_id=transfer.id),
        }
        if name in ends:
            bank.post(ends[name], key=f"{name}-end").require()
    bank.clock.advance(hours=30)
    bank.do(bank.ledger.expire_holds)
    bank.fund("wallet:acme.bot", 5 * TOKEN, key="next day")


@pytest.fixture
def busy(funded: Bank) -> Bank:
    do_business(funded)
    return funded


MIDDLE = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

PERIODS: list[dict[str, Any]] = [
    {},
    {"start": MIDDLE},
    {"end": MIDDLE},
    {"start": MIDDLE, "end": MIDDLE},
    {"start": datetime(2026, 1, 6, tzinfo=UTC), "end": datetime(2026, 2, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize("folds", [False, True])
def test_both_tools_accept_every_period(busy: Bank, tmp_path: Path, *, folds: bool) -> None:
    if folds:
        busy.do(Summaries().advance)
    for period in PERIODS:
        assert bean_check(file_of(busy, tmp_path, "beancount", **period)) == ""
        assert hledger_check(file_of(busy, tmp_path, "hledger", **period)) == ""


def test_both_tools_find_the_balances_that_are_stored(busy: Bank, tmp_path: Path) -> None:
    with busy.database.reading() as session:
        accounts = busy.ledger.accounts(session).items
    units = {"utok": 10**6, "nusd": 10**9}
    stored = {
        account.code: -Decimal(account.balance) / units[account.currency.value]
        for account in accounts
    }
    found = hledger_balances(file_of(busy, tmp_path, "hledger"))
    assert {code_of(name): amount for name, amount in found.items()} == stored
    entries, errors, _ = loader.load_string(export(busy, "beancount").decode())
    assert errors == []
    tree = realization.realize(entries)
    for code, amount in stored.items():
        (opened,) = (e for e in entries if isinstance(e, data.Open) and e.meta.get("code") == code)
        balance = realization.get(tree, opened.account).balance
        assert sum((p.units.number for p in balance), Decimal(0)) == amount


def test_texts_come_back_from_both_tools(busy: Bank) -> None:
    entries, _, _ = loader.load_string(export(busy, "beancount").decode())
    memos = [
        e.meta["memo"] for e in entries if isinstance(e, data.Transaction) and "memo" in e.meta
    ]
    tags = [
        line.split("; memo: ", 1)[1]
        for line in export(busy, "hledger").decode().splitlines()
        if "; memo: " in line
    ]
    for found in (memos, tags):
        assert set(HOSTILE) <= {json.loads(f'"{text}"') for text in found}


@pytest.mark.parametrize(
    ("name", "check"), [("beancount", bean_check), ("hledger", hledger_check)]
)
def test_a_changed_or_missing_entry_is_found(
    busy: Bank, tmp_path: Path, name: str, check: Any
) -> None:
    path = file_of(busy, tmp_path, name)
    text = path.read_text()
    burned = "0.400000000 USD"
    assert text.count(f" {burned}") == 1
    path.write_text(text.replace(burned, "0.400000001 USD"))
    assert check(path)
    blocks = text.split("\n\n")
    gift = next(n for n, block in enumerate(blocks) if "* " in block[:20] and "gift" in block)
    path.write_text("\n\n".join(blocks[:gift] + blocks[gift + 1 :]))
    assert check(path)


def test_holds_move_nothing_and_are_shown(busy: Bank) -> None:
    entries, _, _ = loader.load_string(export(busy, "beancount").decode())
    held = [e for e in entries if isinstance(e, data.Transaction) and e.flag == "!"]
    phases = {e.meta["phase"] for e in held}
    assert phases == {"hold", "void", "expire"}
    assert all(p.units.number == 0 for e in held for p in e.postings)
    (open_hold,) = (e for e in held if e.meta["phase"] == "expire")
    assert open_hold.meta["held"] == data.Amount(Decimal("0.000010"), "TOK")


def test_columns_hold_the_journal_exactly(busy: Bank) -> None:
    with busy.database.reading() as session:
        expected = busy.ledger.transfers(session, limit=500).items
    rows = list(csv.DictReader(io.StringIO(export(busy, "csv").decode(), newline="")))
    assert [row["id"] for row in rows] == [t.id for t in expected]
    for row, transfer in zip(rows, expected, strict=True):
        assert tuple(row) == COLUMNS
        assert (row["memo"], row["reference"]) == (transfer.memo, transfer.reference)
        assert (int(row["amount"]), row["currency"]) == (transfer.amount, transfer.currency)
        assert (row["hold_id"] or None) == transfer.hold_id
    table = read_parquet(io.BytesIO(export(busy, "parquet"))).read_all()
    assert table.num_rows == len(expected)
    for name in ("id", "memo", "amount", "at", "expires_at", "hold_id"):
        values = [value.as_py() for value in table.column(name)]
        assert values == [getattr(transfer, name) for transfer in expected]


def test_a_period_holds_its_beginning_and_not_its_end(busy: Bank) -> None:
    with busy.database.reading() as session:
        instants = {t.at for t in busy.ledger.transfers(session, limit=500).items}
    last = max(instants)
    rows = export(busy, "csv", start=min(instants), end=last).decode()
    later = export(busy, "csv", start=last).decode()
    whole = export(busy, "csv").decode()
    header = ",".join(COLUMNS) + "\r\n"
    assert rows + later.removeprefix(header) == whole
    assert rows != whole != later


def test_memory_does_not_grow_with_the_journal(busy: Bank) -> None:
    """Sixteen times the entries, read from the database as a real export's are."""
    with busy.database.reading() as session:
        journals = Journals()
        parts: list[Journal] = []

        class Keep:
            media_type = suffix = ""

            def write(self, journal: Journal) -> Any:
                parts.append(journal)
                return iter(())

        journals.format = lambda _name: Keep()  # type: ignore[method-assign]
        journals.export(session, format_name="")
        (journal,) = parts

        def written_and_peak(name: str, rounds: int) -> tuple[int, int]:
            many = Journal(
                start=None,
                accounts=journal.accounts,
                entries=lambda: (page for _ in range(rounds) for page in journal.entries()),
            )
            tracemalloc.start()
            written = sum(len(piece) for piece in Journals().format(name).write(many))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return written, peak

        for name in ("beancount", "hledger", "csv"):
            written, peak = written_and_peak(name, 20)
            more_written, more_peak = written_and_peak(name, 320)
            assert more_written - written > 1_500_000
            assert more_peak - peak < 300_000


def test_an_unknown_format_and_an_impossible_period_are_refused(bank: Bank) -> None:
    now = bank.clock.instant
    with pytest.raises(ReportError, match="excel"):
        export(bank, "excel")
    with pytest.raises(ReportError):
        export(bank, "csv", start=now, end=now - timedelta(days=1))


def test_an_empty_ledger_is_accepted(bank: Bank, tmp_path: Path) -> None:
    assert bean_check(file_of(bank, tmp_path, "beancount")) == ""
    assert hledger_check(file_of(bank, tmp_path, "hledger")) == ""


texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
)
acts = st.lists(
    st.tuples(
        st.sampled_from(["move", "hold", "settle", "lose", "day"]),
        st.integers(1, 30 * TOKEN),
        texts.map(lambda text: text[:200]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
def test_both_tools_accept_any_ledger(database: Database, tmp_path: Path) -> None:
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up()
    bank.fund("wallet:acme.bot", 2_000 * TOKEN)
    keys = (str(number) for number in range(10**6))

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(acts)
    def check(some: list[tuple[str, int, str]]) -> None:
        for what, amount, text in some:
            act(bank, what, amount, text, next(keys))
        assert bean_check(file_of(bank, tmp_path, "beancount")) == ""
        assert hledger_check(file_of(bank, tmp_path, "hledger")) == ""

    check()


def act(bank: Bank, what: str, amount: int, text: str, key: str) -> None:
    sides = {"debit": "wallet:acme.bot", "credit": "wallet:B_2"}
    match what:
        case "move":
            bank.post(Move(**sides, amount=amount, kind="gift", memo=text), key=key)
        case "hold":
            hold = Hold(**sides, amount=amount, kind="gift", reference=text)
            for transfer in bank.post(hold, key=key).transfers:
                bank.post(PostHold(hold_id=transfer.id, amount=1), key=f"{key}-end")
        case "day":
            bank.clock.advance(hours=25)
        case _:
            bank.admit(key, bound_nusd=USD // 100, bound_utok=20 * TOKEN, reference=text)
            if what == "lose":
                bank.do(bank.metering.lose, attempt_id=key)
            else:
                bank.settle(key, line(7))
