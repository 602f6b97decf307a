"""The ledger: accounts, journal, log, budgets, attempts, usage."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0002"
down_revision = "0001"

GUARDS = (
    Guard(table="ledger_checkpoints", keys=(("size",),)),
    Guard(table="ledger_log_entries", keys=(("number",), ("record", "record_id"))),
    Guard(table="ledger_budget_settings", keys=(("id",), ("budget", "number"))),
    Guard(table="ledger_issuance_decisions", keys=(("id",), ("budget", "day"))),
    Guard(table="ledger_transfers", keys=(("id",), ("reverses",))),
    Guard(table="ledger_usage", keys=(("id",),)),
)


def upgrade() -> None:
    """Make the tables, then their guards."""
    _create_ledger_accounts()
    _create_ledger_batches()
    _create_ledger_budgets()
    _create_ledger_checkpoints()
    _create_ledger_log_entries()
    _create_ledger_log_head()
    _create_ledger_attempts()
    _create_ledger_budget_settings()
    _create_ledger_issuance_decisions()
    _create_ledger_transfers()
    _create_ledger_holds()
    _create_ledger_usage()
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table in (
        "ledger_usage",
        "ledger_holds",
        "ledger_transfers",
        "ledger_issuance_decisions",
        "ledger_budget_settings",
        "ledger_attempts",
        "ledger_log_head",
        "ledger_log_entries",
        "ledger_checkpoints",
        "ledger_budgets",
        "ledger_batches",
        "ledger_accounts",
    ):
        op.drop_table(table)


def _create_ledger_accounts() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.Column("credits_posted", sa.BigInteger(), nullable=False),
        sa.Column("debits_posted", sa.BigInteger(), nullable=False),
        sa.Column("debits_held", sa.BigInteger(), nullable=False),
        sa.Column("credits_held", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "credits_posted >= 0 AND debits_posted >= 0"
            " AND debits_held >= 0 AND credits_held >= 0",
            name="ck_ledger_accounts_sums",
        ),
        sa.CheckConstraint(
            "floor IS NULL OR credits_posted - debits_posted - debits_held >= floor",
            name="ck_ledger_accounts_floor",
        ),
        sa.PrimaryKeyConstraint("code", name="pk_ledger_accounts"),
    )


def _create_ledger_batches() -> None:
    op.create_table(
        "ledger_batches",
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("request_hash", sa.String(length=71), nullable=False),
        sa.Column("outcomes", sa.JSON(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_ledger_batches"),
    )


def _create_ledger_budgets() -> None:
    op.create_table(
        "ledger_budgets",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("parent", sa.String(length=128), nullable=True),
        sa.Column("path", sa.String(length=1100), nullable=False),
        sa.Column("time_zone", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent"], ["ledger_budgets.name"], name="fk_ledger_budgets_parent"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_budgets"),
        sa.UniqueConstraint("path", name="uq_ledger_budgets_path"),
    )


def _create_ledger_checkpoints() -> None:
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_ledger_checkpoints"),
        sqlite_with_rowid=False,
    )


def _create_ledger_log_entries() -> None:
    op.create_table(
        "ledger_log_entries",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=100), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_ledger_log_entries"),
        sa.UniqueConstraint("record", "record_id", name="uq_ledger_log_entries_record_record_id"),
        sqlite_with_rowid=False,
    )


def _create_ledger_log_head() -> None:
    op.create_table(
        "ledger_log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.JSON(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_ledger_log_head_single"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_log_head"),
    )


def _create_ledger_attempts() -> None:
    op.create_table(
        "ledger_attempts",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("budget", sa.String(length=128), nullable=False),
        sa.Column("budget_path", sa.String(length=1100), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("fiat_account", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("payer", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=128), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("bound_nusd", sa.BigInteger(), nullable=False),
        sa.Column("bound_utok", sa.BigInteger(), nullable=False),
        sa.Column("utok_per_usd", sa.BigInteger(), nullable=False),
        sa.Column("fiat_hold_id", sa.String(length=100), nullable=False),
        sa.Column("token_hold_id", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("liability_nusd", sa.BigInteger(), nullable=False),
        sa.Column("outcome_hash", sa.String(length=71), nullable=False),
        sa.Column("cost_nusd", sa.BigInteger(), nullable=False),
        sa.Column("burn_utok", sa.BigInteger(), nullable=False),
        sa.Column("charge_utok", sa.BigInteger(), nullable=False),
        sa.Column("overbilled_nusd", sa.BigInteger(), nullable=False),
        sa.Column("shortfall_utok", sa.BigInteger(), nullable=False),
        sa.Column("admitted_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["budget"], ["ledger_budgets.name"], name="fk_ledger_attempts_budget"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_attempts"),
    )
    op.create_index(
        "ix_ledger_attempts_day", "ledger_attempts", ["day", "budget_path"], unique=False
    )
    op.create_index("ix_ledger_attempts_reference", "ledger_attempts", ["reference"], unique=False)


def _create_ledger_budget_settings() -> None:
    op.create_table(
        "ledger_budget_settings",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("budget", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("effective_day", sa.String(length=10), nullable=False),
        sa.Column("daily_limit_nusd", sa.BigInteger(), nullable=False),
        sa.Column("utok_per_usd", sa.BigInteger(), nullable=True),
        sa.Column("reserve_share_ppm", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget"], ["ledger_budgets.name"], name="fk_ledger_budget_settings_budget"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_budget_settings"),
        sa.UniqueConstraint("budget", "number", name="uq_ledger_budget_settings_budget_number"),
        sqlite_with_rowid=False,
    )


def _create_ledger_issuance_decisions() -> None:
    op.create_table(
        "ledger_issuance_decisions",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("budget", sa.String(length=128), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("daily_limit_nusd", sa.BigInteger(), nullable=False),
        sa.Column("utok_per_usd", sa.BigInteger(), nullable=False),
        sa.Column("circulating_utok", sa.BigInteger(), nullable=False),
        sa.Column("issued_utok", sa.BigInteger(), nullable=False),
        sa.Column("reserve_utok", sa.BigInteger(), nullable=False),
        sa.Column("transfers", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget"], ["ledger_budgets.name"], name="fk_ledger_issuance_decisions_budget"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_issuance_decisions"),
        sa.UniqueConstraint("budget", "day", name="uq_ledger_issuance_decisions_budget_day"),
        sqlite_with_rowid=False,
    )


def _create_ledger_transfers() -> None:
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("batch_key", sa.String(length=320), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("debit", sa.String(length=200), nullable=False),
        sa.Column("credit", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("phase", sa.String(length=40), nullable=False),
        sa.Column("hold_id", sa.String(length=100), nullable=True),
        sa.Column("reverses", sa.String(length=100), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("memo", sa.String(length=500), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_ledger_transfers_amount"),
        sa.CheckConstraint("debit <> credit", name="ck_ledger_transfers_accounts"),
        sa.ForeignKeyConstraint(
            ["credit"], ["ledger_accounts.code"], name="fk_ledger_transfers_credit"
        ),
        sa.ForeignKeyConstraint(
            ["debit"], ["ledger_accounts.code"], name="fk_ledger_transfers_debit"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transfers"),
        sa.UniqueConstraint("reverses", name="uq_ledger_transfers_reverses"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_transfers_credit", "ledger_transfers", ["credit"], unique=False)
    op.create_index("ix_ledger_transfers_debit", "ledger_transfers", ["debit"], unique=False)
    op.create_index(
        "ix_ledger_transfers_reference", "ledger_transfers", ["reference"], unique=False
    )


def _create_ledger_holds() -> None:
    op.create_table(
        "ledger_holds",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("debit", sa.String(length=200), nullable=False),
        sa.Column("credit", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["ledger_transfers.id"], name="fk_ledger_holds_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_holds"),
    )
    op.create_index("ix_ledger_holds_due", "ledger_holds", ["status", "expires_at"], unique=False)


def _create_ledger_usage() -> None:
    op.create_table(
        "ledger_usage",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("attempt_id", sa.String(length=100), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=128), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=False),
        sa.Column("base_price_pusd", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_pusd", sa.BigInteger(), nullable=False),
        sa.Column("price_tick", sa.BigInteger(), nullable=True),
        sa.Column("utok_per_usd", sa.BigInteger(), nullable=False),
        sa.Column("cost_nusd", sa.BigInteger(), nullable=False),
        sa.Column("burn_utok", sa.BigInteger(), nullable=False),
        sa.Column("charge_utok", sa.BigInteger(), nullable=False),
        sa.Column("shortfall_utok", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("budget", sa.String(length=128), nullable=False),
        sa.Column("payer", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("transfers", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["ledger_attempts.id"], name="fk_ledger_usage_attempt_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_usage"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_usage_attempt_id", "ledger_usage", ["attempt_id"], unique=False)
    op.create_index("ix_ledger_usage_owner", "ledger_usage", ["owner"], unique=False)
    op.create_index("ix_ledger_usage_reference", "ledger_usage", ["reference"], unique=False)
