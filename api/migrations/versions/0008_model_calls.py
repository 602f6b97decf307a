"""What orders asked of language models, and what came back."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table; it has no guard, since replies about a holdout are erased in the end."""
    op.create_table(
        "order_model_calls",
        sa.Column("attempt_id", sa.String(length=200), nullable=False),
        sa.Column("order_id", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("occurrence", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("request", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reply", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["order_work.attempt_id"], name="fk_order_model_calls_attempt_id"
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_model_calls_order_id"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_order_model_calls"),
    )
    op.create_index(
        "ix_order_model_calls_order",
        "order_model_calls",
        ["order_id", "stage", "digest"],
        unique=False,
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_table("order_model_calls")
