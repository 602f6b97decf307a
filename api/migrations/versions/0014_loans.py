"""What observe-only mode lends: its records, and what attempts and orders remember of it."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0014"
down_revision = "0013"

GUARDS = (Guard(table="ledger_loans", keys=(("id",), ("transfer",))),)

AMOUNTS = {
    "ledger_attempts": ("overdraft_utok", "overrun_nusd"),
    "orders": ("lent_utok", "repaid_utok"),
}


def upgrade() -> None:
    """Make the table with its guards; nothing was lent before."""
    op.create_table(
        "ledger_loans",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("currency", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("budget", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("transfer", sa.String(length=100), nullable=False),
        sa.CheckConstraint("amount <> 0", name="ck_ledger_loans_amount"),
        sa.ForeignKeyConstraint(
            ["account"], ["ledger_accounts.code"], name="fk_ledger_loans_account"
        ),
        sa.ForeignKeyConstraint(
            ["budget"], ["ledger_budgets.name"], name="fk_ledger_loans_budget"
        ),
        sa.ForeignKeyConstraint(
            ["transfer"], ["ledger_transfers.id"], name="fk_ledger_loans_transfer"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_loans"),
        sa.UniqueConstraint("transfer", name="uq_ledger_loans_transfer"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_loans_budget", "ledger_loans", ["budget"])
    op.create_index("ix_ledger_loans_reference", "ledger_loans", ["reference"])
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table, names in AMOUNTS.items():
        for name in names:
            op.add_column(
                table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            )
    op.add_column(
        "ledger_attempts",
        sa.Column("let_pass", sa.String(length=100), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_column("ledger_attempts", "let_pass")
    for table, names in AMOUNTS.items():
        for name in names:
            op.drop_column(table, name)
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    op.drop_table("ledger_loans")
