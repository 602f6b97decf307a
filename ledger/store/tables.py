"""The ledger's tables, and how a value becomes a row and a row a value."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import UtcDateTime, metadata
from ledger.accounts import MAX_CODE_CHARACTERS
from ledger.domain import MAX_KEY_CHARACTERS, MAX_MEMO_CHARACTERS, MAX_REFERENCE_CHARACTERS

ID = String(100)
CODE = String(MAX_CODE_CHARACTERS)
KEY = String(MAX_KEY_CHARACTERS + 20)  # and the scope before it
REFERENCE = String(MAX_REFERENCE_CHARACTERS)
NAME = String(128)
PATH = String(1100)
DAY = String(10)
NUMBERED_NAME = String(160)  # a name with a number or day after it
WORD = String(40)

accounts = Table(
    "ledger_accounts",
    metadata,
    Column("code", CODE, primary_key=True),
    Column("currency", WORD, nullable=False),
    Column("floor", BigInteger),
    Column("credits_posted", BigInteger, nullable=False),
    Column("debits_posted", BigInteger, nullable=False),
    Column("debits_held", BigInteger, nullable=False),
    Column("credits_held", BigInteger, nullable=False),
    CheckConstraint(
        "credits_posted >= 0 AND debits_posted >= 0 AND debits_held >= 0 AND credits_held >= 0",
        name="sums",
    ),
    CheckConstraint(
        "floor IS NULL OR credits_posted - debits_posted - debits_held >= floor", name="floor"
    ),
)

# Rowids would let a replacing insert name its victim by another key than the declared ones.
transfers = Table(
    "ledger_transfers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("batch_key", KEY, nullable=False),
    Column("position", Integer, nullable=False),
    Column("debit", CODE, nullable=False),
    Column("credit", CODE, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("phase", WORD, nullable=False),
    Column("hold_id", ID),
    Column("reverses", ID, unique=True),
    Column("expires_at", UtcDateTime),
    Column("reference", REFERENCE, nullable=False, index=True),
    Column("memo", String(MAX_MEMO_CHARACTERS), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("debit <> credit", name="accounts"),
    # A posting holds both accounts locked. PostgreSQL would look each of them up again, row by
    # row, which is a quarter of its work.
    *(
        ForeignKeyConstraint([side], [accounts.c.code], info={"only_on": "sqlite"}).ddl_if(
            dialect="sqlite"
        )
        for side in ("debit", "credit")
    ),
    Index("ix_ledger_transfers_debit_at", "debit", "at"),
    Index("ix_ledger_transfers_credit_at", "credit", "at"),
    sqlite_with_rowid=False,
)

holds = Table(
    "ledger_holds",
    metadata,
    Column("id", ID, ForeignKey(transfers.c.id), primary_key=True),
    Column("debit", CODE, nullable=False),
    Column("credit", CODE, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("reference", REFERENCE, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("status", WORD, nullable=False),
    Index("ix_ledger_holds_due", "status", "expires_at"),
)

batches = Table(
    "ledger_batches",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("request_hash", String(71), nullable=False),
    Column("outcomes", JSON),
    Column("at", UtcDateTime, nullable=False),
)

budgets = Table(
    "ledger_budgets",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("parent", NAME, ForeignKey("ledger_budgets.name")),
    Column("path", PATH, nullable=False, unique=True),
    Column("time_zone", WORD, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

budget_settings = Table(
    "ledger_budget_settings",
    metadata,
    Column("id", NUMBERED_NAME, primary_key=True),
    Column("budget", NAME, ForeignKey(budgets.c.name), nullable=False),
    Column("number", Integer, nullable=False),
    Column("effective_day", DAY, nullable=False),
    Column("daily_limit_nusd", BigInteger, nullable=False),
    Column("utok_per_usd", BigInteger),
    Column("reserve_share_ppm", BigInteger),
    Column("actor", REFERENCE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("budget", "number"),
    sqlite_with_rowid=False,
)

issuance_decisions = Table(
    "ledger_issuance_decisions",
    metadata,
    Column("id", NUMBERED_NAME, primary_key=True),
    Column("budget", NAME, ForeignKey(budgets.c.name), nullable=False),
    Column("day", DAY, nullable=False),
    Column("daily_limit_nusd", BigInteger, nullable=False),
    Column("utok_per_usd", BigInteger, nullable=False),
    Column("circulating_utok", BigInteger, nullable=False),
    Column("issued_utok", BigInteger, nullable=False),
    Column("reserve_utok", BigInteger, nullable=False),
    Column("transfers", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("budget", "day"),
    sqlite_with_rowid=False,
)

attempts = Table(
    "ledger_attempts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("budget", NAME, ForeignKey(budgets.c.name), nullable=False),
    Column("budget_path", PATH, nullable=False),
    Column("day", DAY, nullable=False),
    Column("fiat_account", CODE, nullable=False),
    Column("owner", NAME, nullable=False),
    Column("payer", CODE, nullable=False),
    Column("provider", NAME, nullable=False),
    Column("resource", REFERENCE, nullable=False),
    Column("reference", REFERENCE, nullable=False, index=True),
    Column("bound_nusd", BigInteger, nullable=False),
    Column("bound_utok", BigInteger, nullable=False),
    Column("utok_per_usd", BigInteger, nullable=False),
    Column("fiat_hold_id", ID, nullable=False),
    Column("token_hold_id", ID, nullable=False),
    Column("status", WORD, nullable=False),
    Column("liability_nusd", BigInteger, nullable=False),
    Column("outcome_hash", String(71), nullable=False),
    Column("cost_nusd", BigInteger, nullable=False),
    Column("burn_utok", BigInteger, nullable=False),
    Column("charge_utok", BigInteger, nullable=False),
    Column("overbilled_nusd", BigInteger, nullable=False),
    Column("shortfall_utok", BigInteger, nullable=False),
    Column("overdraft_utok", BigInteger, nullable=False),
    Column("overrun_nusd", BigInteger, nullable=False),
    Column("let_pass", String(100), nullable=False),
    Column("admitted_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("ix_ledger_attempts_day", "day", "budget_path"),
)

usage = Table(
    "ledger_usage",
    metadata,
    Column("id", ID, primary_key=True),
    Column("attempt_id", ID, ForeignKey(attempts.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("owner", NAME, nullable=False),
    Column("resource", REFERENCE, nullable=False),
    Column("provider", NAME, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit", WORD, nullable=False),
    Column("base_price_pusd", BigInteger, nullable=False),
    Column("unit_price_pusd", BigInteger, nullable=False),
    Column("price_tick", BigInteger),
    Column("utok_per_usd", BigInteger, nullable=False),
    Column("cost_nusd", BigInteger, nullable=False),
    Column("burn_utok", BigInteger, nullable=False),
    Column("charge_utok", BigInteger, nullable=False),
    Column("shortfall_utok", BigInteger, nullable=False),
    Column("quality", Double),
    Column("latency_ms", BigInteger),
    Column("status", WORD, nullable=False),
    Column("budget", NAME, nullable=False),
    Column("payer", CODE, nullable=False),
    Column("reference", REFERENCE, nullable=False, index=True),
    Column("transfers", Text, nullable=False),
    Index("ix_ledger_usage_owner_at", "owner", "at"),
    sqlite_with_rowid=False,
)

loans = Table(
    "ledger_loans",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("currency", WORD, nullable=False),
    Column("account", CODE, ForeignKey(accounts.c.code), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("budget", NAME, ForeignKey(budgets.c.name), nullable=False, index=True),
    Column("owner", NAME, nullable=False),
    Column("reference", REFERENCE, nullable=False, index=True),
    Column("transfer", ID, ForeignKey(transfers.c.id), nullable=False, unique=True),
    CheckConstraint("amount <> 0", name="amount"),
    sqlite_with_rowid=False,
)

log_entries = Table(
    "ledger_log_entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("record", WORD, nullable=False),
    Column("record_id", NUMBERED_NAME, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    UniqueConstraint("record", "record_id"),
    sqlite_with_rowid=False,
)

log_head = Table(
    "ledger_log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", JSON, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

log_nodes = Table(
    "ledger_log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)
"""Roots of perfect subtrees, computed from the entries; see `ledger.store.nodes`."""

checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("envelope", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

RECORDS: Mapping[str, Table] = {
    "transfer": transfers,
    "usage": usage,
    "loan": loans,
    "issuance_decision": issuance_decisions,
    "budget_setting": budget_settings,
}
"""The records that the log seals, by the name that their entries carry."""

APPEND_ONLY = (*RECORDS.values(), log_entries, checkpoints)
"""Tables whose rows are never changed or removed."""


def row_of(value: Any) -> dict[str, Any]:
    """Return a frozen value's fields as the columns of its table."""
    return {name: _column_value(item) for name, item in vars(value).items()}


def _column_value(item: Any) -> Any:
    if isinstance(item, Enum):
        return item.value
    if isinstance(item, tuple):
        return " ".join(item)  # identifiers, which hold no spaces
    return item
