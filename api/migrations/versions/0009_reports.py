"""What reports are made of: sums over journal and usage, and an account's rows by instant."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0009"
down_revision = "0008"

_DATED = (
    ("ledger_transfers", "debit"),
    ("ledger_transfers", "credit"),
    ("ledger_usage", "owner"),
)
_USAGE_KEYS = {
    "day": 10,
    "owner": 128,
    "resource": 200,
    "unit": 40,
    "provider": 128,
    "budget": 128,
}
_USAGE_SUMS = ("records", "quantity", "cost_nusd", "burn_utok", "charge_utok")


def upgrade() -> None:
    """Make the tables; an account's records are found by instant, at no index more."""
    op.create_table(
        "ledger_summary_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="single"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_summary_progress"),
    )
    op.create_table(
        "ledger_account_sums",
        sa.Column("span", sa.String(length=4), nullable=False),
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("prefix", sa.String(length=40), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span", "account", "start", name="pk_ledger_account_sums"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_account_sums_start", "ledger_account_sums", ["span", "start"])
    op.create_table(
        "ledger_log_hours",
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("start", name="pk_ledger_log_hours"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_usage_sums",
        *(
            sa.Column(name, sa.String(length=length), nullable=False)
            for name, length in _USAGE_KEYS.items()
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _USAGE_SUMS),
        sa.PrimaryKeyConstraint(*_USAGE_KEYS, name="pk_ledger_usage_sums"),
        sqlite_with_rowid=False,
    )
    for table, column in _DATED:
        op.drop_index(f"ix_{table}_{column}", table)
        op.create_index(f"ix_{table}_{column}_at", table, [column, "at"])


def downgrade() -> None:
    """Undo `upgrade`."""
    for table, column in _DATED:
        op.drop_index(f"ix_{table}_{column}_at", table)
        op.create_index(f"ix_{table}_{column}", table, [column])
    for table in (
        "ledger_usage_sums",
        "ledger_log_hours",
        "ledger_account_sums",
        "ledger_summary_progress",
    ):
        op.drop_table(table)
