"""The outbox of alerts."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables; they have no guard: a delivery's state changes with every try."""
    op.create_table(
        "ledger_alerts",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_alerts"),
    )
    op.create_index("ix_ledger_alerts_at", "ledger_alerts", ["at", "id"])
    op.create_table(
        "ledger_alert_deliveries",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("alert_id", sa.String(length=100), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("answer", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["ledger_alerts.id"], name="fk_ledger_alert_deliveries_alert_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_alert_deliveries"),
    )
    op.create_index("ix_ledger_alert_deliveries_alert_id", "ledger_alert_deliveries", ["alert_id"])
    op.create_index(
        "ix_ledger_alert_deliveries_due", "ledger_alert_deliveries", ["status", "next_at"]
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_table("ledger_alert_deliveries")
    op.drop_table("ledger_alerts")
