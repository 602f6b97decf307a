"""Events, API keys and idempotent requests."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import conclusion, preparation

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    for statement in preparation(op.get_context().dialect.name):
        op.execute(statement)
    _create_api_keys()
    _create_event_heads()
    _create_events()
    _create_http_requests()


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in (
        "http_requests",
        "events",
        "event_heads",
        "api_keys",
    ):
        op.drop_table(table)
    for statement in conclusion(op.get_context().dialect.name):
        op.execute(statement)


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("owner", sa.String(length=130), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_sha256", name="uq_api_keys_secret_sha256"),
    )


def _create_event_heads() -> None:
    op.create_table(
        "event_heads",
        sa.Column("topic", sa.String(length=300), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_event_heads"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("topic", sa.String(length=300), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "sequence", name="pk_events"),
    )


def _create_http_requests() -> None:
    op.create_table(
        "http_requests",
        sa.Column("principal", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_http_requests"),
    )
