"""Orders, their files and work, and the workers."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    _create_orders()
    _create_workers()
    _create_order_files()
    _create_order_work()


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in (
        "order_work",
        "order_files",
        "workers",
        "orders",
    ):
        op.drop_table(table)


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("artifact", sa.String(length=130), nullable=False),
        sa.Column("payer", sa.String(length=130), nullable=False),
        sa.Column("budget", sa.String(length=130), nullable=False),
        sa.Column("principal", sa.String(length=130), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("quote", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("escrowed_utok", sa.BigInteger(), nullable=False),
        sa.Column("fee_utok", sa.BigInteger(), nullable=False),
        sa.Column("metered_utok", sa.BigInteger(), nullable=False),
        sa.Column("returned_utok", sa.BigInteger(), nullable=False),
        sa.Column("compensated_utok", sa.BigInteger(), nullable=False),
        sa.Column("version_digest", sa.String(length=80), nullable=True),
        sa.Column("version_number", sa.BigInteger(), nullable=True),
        sa.Column("listing_utok", sa.BigInteger(), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_index("ix_orders_listing", "orders", ["created_at", "id"], unique=False)
    op.create_index("ix_orders_payer", "orders", ["payer"], unique=False)


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("executor_id", sa.String(length=80), nullable=False),
        sa.Column("process", sa.String(length=200), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name="pk_workers"),
    )


def _create_order_files() -> None:
    op.create_table(
        "order_files",
        sa.Column("order_id", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_files_order_id"),
        sa.PrimaryKeyConstraint("order_id", "role", name="pk_order_files"),
    )


def _create_order_work() -> None:
    op.create_table(
        "order_work",
        sa.Column("attempt_id", sa.String(length=200), nullable=False),
        sa.Column("order_id", sa.String(length=200), nullable=False),
        sa.Column("tick_sequence", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.String(length=60), nullable=False),
        sa.Column("admitted_at", UtcDateTime(), nullable=False),
        sa.Column("dispatched_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_work_order_id"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_order_work"),
    )
    op.create_index("ix_order_work_order_id", "order_work", ["order_id"], unique=False)
