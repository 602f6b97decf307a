"""Price tables, ticks, leases, quotes, listings."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0005"
down_revision = "0004"

GUARDS = (
    Guard(table="market_listings", keys=(("artifact", "digest", "number"),)),
    Guard(table="market_price_tables", keys=(("version",),)),
    Guard(table="market_quotes", keys=(("id",),)),
    Guard(table="market_ticks", keys=(("sequence",),)),
)


def upgrade() -> None:
    """Make the tables, then their guards."""
    _create_market_leases()
    _create_market_listings()
    _create_market_price_tables()
    _create_market_quotes()
    _create_market_ticks()
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table in (
        "market_ticks",
        "market_quotes",
        "market_price_tables",
        "market_listings",
        "market_leases",
    ):
        op.drop_table(table)


def _create_market_leases() -> None:
    op.create_table(
        "market_leases",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("resource", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("ends_at >= acquired_at", name="ck_market_leases_ends_later"),
        sa.CheckConstraint("quantity > 0", name="ck_market_leases_quantity_positive"),
        sa.PrimaryKeyConstraint("id", name="pk_market_leases"),
        sa.UniqueConstraint(
            "resource", "holder", "term", name="uq_market_leases_resource_holder_term"
        ),
    )
    op.create_index("ix_market_leases_ends_at", "market_leases", ["ends_at"], unique=False)


def _create_market_listings() -> None:
    op.create_table(
        "market_listings",
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("making_cost_utok", sa.BigInteger(), nullable=False),
        sa.Column("base_price_utok", sa.BigInteger(), nullable=False),
        sa.Column("price_utok", sa.BigInteger(), nullable=False),
        sa.Column("tick_sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "base_price_utok > 0 AND price_utok >= base_price_utok",
            name="ck_market_listings_price_covers_base",
        ),
        sa.PrimaryKeyConstraint("artifact", "digest", "number", name="pk_market_listings"),
    )


def _create_market_price_tables() -> None:
    op.create_table(
        "market_price_tables",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_market_price_tables"),
    )


def _create_market_quotes() -> None:
    op.create_table(
        "market_quotes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tick_sequence", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("fee_utok", sa.BigInteger(), nullable=False),
        sa.Column("utok_per_usd", sa.BigInteger(), nullable=False),
        sa.Column("minimum_utok", sa.BigInteger(), nullable=False),
        sa.Column("maximum_utok", sa.BigInteger(), nullable=False),
        sa.Column("quoted_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "fee_utok >= 0 AND minimum_utok >= fee_utok",
            name="ck_market_quotes_minimum_covers_fee",
        ),
        sa.CheckConstraint(
            "maximum_utok >= minimum_utok", name="ck_market_quotes_maximum_above_minimum"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_market_quotes"),
    )


def _create_market_ticks() -> None:
    op.create_table(
        "market_ticks",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("table_version", sa.BigInteger(), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.CheckConstraint("expires_at > at", name="ck_market_ticks_expires_later"),
        sa.PrimaryKeyConstraint("sequence", name="pk_market_ticks"),
    )
