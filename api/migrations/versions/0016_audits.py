"""Audits that the service carries out by itself."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make the table; it has no guard: an audit's row is written at its beginning and its end."""
    op.create_table(
        "ledger_audits",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("signed_size", sa.BigInteger(), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("renewed_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_ledger_audits"),
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_table("ledger_audits")
