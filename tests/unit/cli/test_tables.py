"""Tables on narrow terminals: every command that prints one, with large numbers and long names."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aem.client import Client
from cli import output
from cli.main import cli
from cli.remote import connection
from cli.tables import Column, lay_out

WIDTH = 80

UTOK, NUSD = 987_654_321_123_456, 123_456_789_987_654_321
TOKENS, USD = "987654321.123456", "123456789.987654321"
AT, AT_SHORT = "2026-01-05T09:00:00.123456Z", "2026-01-05T09:00:00Z"
ORDER = "ord_01j9qk3m8t2x5v7w9y1z3b5d7f"
ATTEMPT = f"{ORDER}:synthesis:10:1"
TRANSFER = "tra_01j9qk3m8t2x5v7w9y1z3b5d7f"
WALLET = "wallet:support-engineering.overnight-improvement-bot"
FIAT = "fiat-budget:support-engineering:2026-01-05"
MODEL = "provider/some-large-instruct-2026-01-05"
WORDS = "a long sentence in which nothing but spaces may be broken, however long it becomes"
LAST = {"next_cursor": None}
HOLD = "tra_01j9qk3m8t2x5v7w9y1z3b5d7e"
TRANSFERS = [
    {
        "id": TRANSFER,
        "hold_id": hold_id,
        "at": AT,
        "kind": "suspense_released",
        "phase": "posted",
        "amount": amount,
        "currency": currency,
        "debit": debit,
        "credit": WALLET,
        "memo": "",
        "reference": ATTEMPT,
    }
    for amount, currency, debit, hold_id in (
        (UTOK, "utok", f"escrow:{ORDER}", None),
        (NUSD, "nusd", FIAT, HOLD),
    )
]
FIGURES = {
    "records": 1_234_567,
    "quantity": 123_456_789_012,
    "cost_nusd": NUSD,
    "burn_utok": UTOK,
    "charge_utok": UTOK + 1,
}
RUN = {
    "number": 12_345,
    "started_at": AT,
    "ended_at": AT,
    "start": 123_456_000,
    "size": 123_456_789,
    "verified": False,
    "first_bad": {"record": "transfer", "id": TRANSFER, "why": "differs from what was sealed"},
}
BOOKS = {"currency": "nusd", "debits": NUSD, "credits": NUSD + 1, "balance": -NUSD}
SHARE = {"value": 0.9512, "exact": "1234567/1297904"}

CASES: dict[str, tuple[Mapping[str, Any], list[str]]] = {
    "ledger accounts": (
        {
            "items": [
                {"code": WALLET, "balance": UTOK, "debits_held": UTOK + 1, "currency": "utok"}
            ],
            **LAST,
        },
        [WALLET, f"{TOKENS} tok", "987654321.123457 tok"],
    ),
    "ledger transfers": (
        {"items": TRANSFERS, **LAST},
        [
            AT_SHORT,
            f"{TOKENS} tok",
            f"{USD} USD",
            f"escrow:{ORDER}",
            WALLET,
            FIAT,
            ATTEMPT,
            TRANSFER,
            f"{TRANSFER} of {HOLD}",
        ],
    ),
    f"ledger transfers --account {FIAT}": (
        {"items": TRANSFERS, **LAST},
        [f"-{USD} USD", FIAT, "suspense_released"],
    ),
    f"ledger statement {FIAT}": (
        {
            "account": FIAT,
            "currency": "nusd",
            "start": None,
            "end": AT,
            "opening": 0,
            "closing": -NUSD,
            "debits": NUSD,
            "credits": 0,
            "lines": {"items": TRANSFERS, **LAST},
        },
        [f"-{USD} USD", FIAT, ATTEMPT],
    ),
    "wallet support": (
        {
            "owner": "support",
            "account": WALLET,
            "balance_utok": UTOK,
            "available_utok": UTOK,
            "threshold_utok": UTOK,
            "owed_utok": 0,
            "may_order": True,
            "transfers": TRANSFERS,
        },
        [TOKENS, ATTEMPT, WALLET],
    ),
    "ledger usage": (
        {
            "items": [
                {
                    "at": AT,
                    "owner": "support-engineering.overnight-improvement-bot",
                    "resource": f"{MODEL}:output",
                    "unit": "tokens",
                    "status": "settled",
                    **FIGURES,
                }
            ],
            **LAST,
        },
        [AT_SHORT, f"{MODEL}:output", "123456789012 tokens", USD, "987654321.123457"],
    ),
    "ledger balances": (
        {"items": [{"account": WALLET, "held": NUSD + 2, **BOOKS}], **LAST},
        [WALLET, f"{USD} USD", f"-{USD} USD", "123456789.987654322 USD"],
    ),
    "ledger trial-balance": (
        {
            "lines": [{"accounts": "fiat-budget", **BOOKS}],
            "totals": {"nusd": {"debits": NUSD, "credits": NUSD}},
            "is_balanced": True,
        },
        [f"{USD} USD", f"-{USD} USD"],
    ),
    "ledger summary --by day,owner,resource": (
        {
            "items": [
                {
                    "keys": {"day": "2026-01-05", "owner": "acme.bot", "resource": MODEL},
                    **FIGURES,
                }
            ]
        },
        ["2026-01-05", "acme.bot", MODEL, "1234567", "123456789012", USD, TOKENS],
    ),
    "ledger spend": (
        {"items": [{"path": "house/support/overnight", "own": FIGURES, "subtree": FIGURES}]},
        ["house/support/overnight", "1234567", USD, TOKENS, "987654321.123457"],
    ),
    "ledger reconciliations": (
        {
            "items": [
                {
                    "id": "rec_01j9qk3m8t2x5v7w9y1z3b5d7f",
                    "at": AT,
                    "provider": "some-provider-of-models",
                    "start": "2026-01-01",
                    "end": "2026-02-01",
                    "invoice_pusd": NUSD * 1_000 + 7,
                    "loss_nusd": NUSD,
                    "counts": {"amount_differs": 123_456},
                }
            ],
            **LAST,
        },
        ["rec_01j9qk3m8t2x5v7w9y1z3b5d7f", f"{USD}007", USD, "123456", AT_SHORT],
    ),
    "status": (
        {
            "items": [
                {
                    "id": ORDER,
                    "artifact": "support-engineering/reply-extractor",
                    "state": "synthesizing",
                    "outcome": None,
                    "price_utok": UTOK,
                    "reason": WORDS,
                }
            ]
        },
        [ORDER, "support-engineering/reply-extractor", TOKENS, *WORDS.split()],
    ),
    f"calls {ORDER}": (
        {
            "items": [
                {
                    "at": AT,
                    "stage": "synthesis",
                    "model": MODEL,
                    "status": "answered",
                    "use": {"input_tokens": 123_456_789, "output_tokens": 9_876_543},
                    "charge_utok": UTOK,
                    "reason": WORDS,
                }
            ]
        },
        [AT_SHORT, MODEL, "123456789", "9876543", TOKENS],
    ),
    f"report {ORDER}": (
        {
            "accepted": True,
            "axes": {"instruction_following": {"passed": True, "old": SHARE, "new": SHARE}},
        },
        ["instruction_following", "0.9512 (1234567/1297904)"],
    ),
    "prices": (
        {
            "sequence": 123_456_789,
            "at": AT,
            "expires_at": AT,
            "prices": {
                f"{MODEL}:output": {
                    "price_pusd": 10**18 + 1_000,
                    "base_price_pusd": 10**18,
                    "active": "123456789/7",
                    "capacity": 123_456_789,
                }
            },
        },
        [f"{MODEL}:output", "1000000.000000001", "of 123456789", "17636684.14"],
    ),
    "models": (
        {
            "items": [
                {
                    "name": MODEL,
                    "provider": "some-provider-of-models",
                    "context_tokens": 1_048_576,
                    "reply_tokens_max": 131_072,
                    "has_reply_schemas": True,
                }
            ]
        },
        [MODEL, "some-provider-of-models", "1048576", "131072"],
    ),
    "alerts list": (
        {
            "items": [
                {
                    "at": AT,
                    "kind": "reserve_shortfall",
                    "text": f"the reserve lacks {TOKENS} tokens for the lost attempt {ATTEMPT}",
                    "deliveries": [
                        {
                            "destination": "webhook",
                            "status": "waiting",
                            "answer": "ConnectionRefusedError",
                            "tries": 12,
                        }
                    ],
                }
            ],
            **LAST,
            "audit": {"last": RUN, "last_full": RUN, "next_at": AT},
        },
        [AT_SHORT, TOKENS, ATTEMPT, "ConnectionRefusedError", "123456789 records: NOT VERIFIED"],
    ),
    "audit runs": (
        {"items": [RUN, RUN | {"verified": None}, RUN | {"ended_at": None}], **LAST},
        ["123456789", AT_SHORT, TRANSFER, "the log holds", "not at its end"],
    ),
    "keys list": (
        {
            "items": [
                {
                    "id": "key_01j9qk3m8t2x5v7w9y1z3b5d7f",
                    "role": "evaluator",
                    "owner": "support-engineering.overnight-improvement-bot",
                    "created_at": AT,
                    "revoked_at": AT,
                }
            ]
        },
        ["key_01j9qk3m8t2x5v7w9y1z3b5d7f", "support-engineering.overnight-improvement-bot"],
    ),
    "gold list": (
        {
            "items": [
                {
                    "name": "support-engineering/replies-of-a-quarter",
                    "digest": f"sha256:{'0123456789ab' * 5}0123",
                    "owner": "support-engineering",
                    "frozen_at": AT,
                }
            ]
        },
        ["support-engineering/replies-of-a-quarter", "sha256:0123456789ab…", AT_SHORT],
    ),
    "log support/replies": (
        {
            "items": [
                {
                    "number": 1_234,
                    "digest": f"sha256:{'0123456789ab' * 5}0123",
                    "source": "order",
                    "created_at": AT,
                    "price_utok": UTOK,
                    "yank": {"reason": WORDS},
                    "generation": 12_345,
                    "cause": "promotion",
                    "at": AT,
                    "reason": WORDS,
                }
            ]
        },
        ["v1234", "sha256:0123456789ab…", TOKENS, "12345", *WORDS.split()],
    ),
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands print to a terminal of 80 columns."""
    monkeypatch.setattr(output, "_terminal_width", lambda: WIDTH)


def answered(monkeypatch: pytest.MonkeyPatch, command: str, answer: Mapping[str, Any]) -> str:
    def connected(url: str, key: str) -> Client:
        reply = httpx.MockTransport(lambda _request: httpx.Response(200, json=answer))
        return Client(url, key, transport=reply)

    monkeypatch.setattr(connection, "Client", connected)
    ended = CliRunner().invoke(cli, command.split(), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", CASES)
def test_no_number_and_no_identifier_is_cut(monkeypatch: Any, command: str) -> None:
    answer, whole = CASES[command]
    shown = answered(monkeypatch, command, answer)
    assert [word for word in whole if word not in shown] == []
    tabled = [line for line in shown.splitlines() if "│" in line or "━" in line]
    assert [line for line in tabled if cell_len(line) > WIDTH] == []


@pytest.mark.usefixtures("terminal")
def test_what_is_no_number_folds_between_words(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("T", ("why", ">tokens"), [(WORDS, TOKENS), ("short", "1")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["why", "│", "tokens"]
    assert [line.rpartition("│")[2].strip() for line in lines[3:]] == [TOKENS, "", "1"]
    assert " ".join(line.rpartition("│")[0].strip() for line in lines[3:5]) == WORDS


def test_a_table_without_room_becomes_a_list() -> None:
    columns = [Column(name="order", is_number=False), Column(name="tokens", is_number=True)]
    layout = lay_out(columns, [(ORDER, "12 tok"), ("ord_2", "3 tok")], 38)
    assert layout.head is None
    assert layout.body == (
        *(f"order   {ORDER}", "tokens  12 tok", ""),
        *("order   ord_2", "tokens  3 tok"),
    )
    assert lay_out(columns, [(ORDER, "12 tok")], 39).head is not None


def test_a_file_gets_whole_lines() -> None:
    columns = [Column(name=str(number), is_number=True) for number in range(3)]
    row = ["9" * 100] * 3
    assert lay_out(columns, [row], None).body == (" │ ".join(row),)


CELL = st.text("ab 東ü9", max_size=30).map(str.strip)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=4), st.integers(1, 90))
def test_every_word_of_every_cell_is_there_whole(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    columns = [Column(name=name, is_number=name == "n") for name in ("a", "n", "c")]
    layout = lay_out(columns, rows, width)
    words = [word for row in rows for cell in row for word in cell.split()]
    assert sorted(words) == sorted(
        word
        for line in layout.body
        for word in (line.replace("│", " ").split() if layout.head else line.split()[1:])
    )
    if layout.head is not None:
        assert {cell_len(line) for line in (*layout.head, *layout.body)} <= set(range(width + 1))
        for _, number, _ in rows:
            assert any(number in line for line in layout.body)
