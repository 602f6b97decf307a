"""Invoices that settled suspense, and what became of each lost attempt's bound."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0012"
down_revision = "0011"

GUARDS = (
    Guard(table="ledger_reconciliations", keys=(("id",),)),
    Guard(table="ledger_suspense_settlements", keys=(("attempt_id",),)),
)


def upgrade() -> None:
    """Make the tables, then their guards."""
    op.create_table(
        "ledger_reconciliations",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("provider", sa.String(length=128), nullable=False),
        sa.Column("invoice_digest", sa.String(length=71), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_reconciliations"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_suspense_settlements",
        sa.Column("attempt_id", sa.String(length=100), nullable=False),
        sa.Column("reconciliation_id", sa.String(length=100), nullable=False),
        sa.Column("billed_nusd", sa.BigInteger(), nullable=False),
        sa.Column("released_nusd", sa.BigInteger(), nullable=False),
        sa.Column("loss_nusd", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["ledger_attempts.id"],
            name="fk_ledger_suspense_settlements_attempt_id",
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["ledger_reconciliations.id"],
            name="fk_ledger_suspense_settlements_reconciliation_id",
        ),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_ledger_suspense_settlements"),
        sqlite_with_rowid=False,
    )
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table in ("ledger_suspense_settlements", "ledger_reconciliations"):
        op.drop_table(table)
