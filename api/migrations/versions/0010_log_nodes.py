"""Roots of the log's larger perfect subtrees, so that a proof need not read the whole log."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table; it has no guard, since all of it can be computed again."""
    op.create_table(
        "ledger_log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_ledger_log_nodes"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_table("ledger_log_nodes")
