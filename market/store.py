"""The market's tables and queries: private to the room, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from market.domain import (
    Lease,
    Listing,
    Price,
    PriceRules,
    PriceTable,
    PriceVector,
    Quote,
    QuotedLine,
    QuoteLine,
    Resource,
)

_NAME_CHARACTERS = 63
_ID_CHARACTERS = 40
_HOLDER_CHARACTERS = 200
_ARTIFACT_CHARACTERS = 127
_DIGEST_CHARACTERS = 71

_price_tables = Table(
    "market_price_tables",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("rules", JSON, nullable=False),
)
_ticks = Table(
    "market_ticks",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("table_version", BigInteger, nullable=False),
    Column("prices", JSON, nullable=False),
    CheckConstraint("expires_at > at", name="expires_later"),
)
_leases = Table(
    "market_leases",
    metadata,
    Column("id", String(_ID_CHARACTERS), primary_key=True),
    Column("resource", String(_NAME_CHARACTERS), nullable=False),
    Column("holder", String(_HOLDER_CHARACTERS), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    UniqueConstraint("resource", "holder", "term"),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("ends_at >= acquired_at", name="ends_later"),
    Index("ix_market_leases_ends_at", "ends_at"),  # ticks look for leases that ended lately
)
_quotes = Table(
    "market_quotes",
    metadata,
    Column("id", String(_ID_CHARACTERS), primary_key=True),
    Column("tick_sequence", BigInteger, nullable=False),
    Column("lines", JSON, nullable=False),
    Column("fee_utok", BigInteger, nullable=False),
    Column("utok_per_usd", BigInteger, nullable=False),
    Column("minimum_utok", BigInteger, nullable=False),
    Column("maximum_utok", BigInteger, nullable=False),
    Column("quoted_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    CheckConstraint("fee_utok >= 0 AND minimum_utok >= fee_utok", name="minimum_covers_fee"),
    CheckConstraint("maximum_utok >= minimum_utok", name="maximum_above_minimum"),
)
_listings = Table(
    "market_listings",
    metadata,
    Column("artifact", String(_ARTIFACT_CHARACTERS), primary_key=True),
    Column("digest", String(_DIGEST_CHARACTERS), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("making_cost_utok", BigInteger, nullable=False),
    Column("base_price_utok", BigInteger, nullable=False),
    Column("price_utok", BigInteger, nullable=False),
    Column("tick_sequence", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint(
        "base_price_utok > 0 AND price_utok >= base_price_utok", name="price_covers_base"
    ),
)


def newest_table(session: Session) -> PriceTable | None:
    """Return the price table in force, if one was ever adopted."""
    query = select(_price_tables).order_by(_price_tables.c.version.desc()).limit(1)
    row = session.execute(query).first()
    if row is None:
        return None
    return PriceTable(version=row.version, at=row.at, rules=_rules_from_json(row.rules))


def add_table(session: Session, table: PriceTable) -> bool:
    """Add a price table; return False where its version is there already."""
    values = {"version": table.version, "at": table.at, "rules": _rules_to_json(table.rules)}
    return _add_if_missing(session, _price_tables, values)


def newest_tick(session: Session) -> PriceVector | None:
    """Return the last tick, if there was one."""
    query = select(_ticks).order_by(_ticks.c.sequence.desc()).limit(1)
    row = session.execute(query).first()
    return None if row is None else _vector(row)


def tick(session: Session, sequence: int) -> PriceVector | None:
    """Return the tick of this number, if there is one."""
    row = session.execute(select(_ticks).where(_ticks.c.sequence == sequence)).first()
    return None if row is None else _vector(row)


def add_tick(session: Session, vector: PriceVector) -> bool:
    """Add a tick; return False where another process made this number first.

    Waits for that process's transaction to end, so the caller sees its tick afterwards.
    """
    values = {
        "sequence": vector.sequence,
        "at": vector.at,
        "expires_at": vector.expires_at,
        "table_version": vector.table_version,
        "prices": {name: price.to_json() for name, price in vector.prices.items()},
    }
    return _add_if_missing(session, _ticks, values)


def leases_between(session: Session, *, start: datetime, end: datetime) -> Sequence[Lease]:
    """Return all leases that were active at some time from `start` until before `end`."""
    query = select(_leases).where(_leases.c.acquired_at < end, _leases.c.ends_at > start)
    return [_lease(row) for row in session.execute(query)]


def newest_lease(session: Session, *, resource: str, holder: str) -> Lease | None:
    """Return and lock the holder's last lease of a resource, if it ever had one."""
    query = (
        select(_leases)
        .where(_leases.c.resource == resource, _leases.c.holder == holder)
        .order_by(_leases.c.term.desc())
        .limit(1)
        .with_for_update()
    )
    row = session.execute(query).first()
    return None if row is None else _lease(row)


def lease(session: Session, lease_id: str) -> Lease | None:
    """Return and lock the lease of this identifier, if there is one."""
    query = select(_leases).where(_leases.c.id == lease_id).with_for_update()
    row = session.execute(query).first()
    return None if row is None else _lease(row)


def add_lease(session: Session, new: Lease) -> bool:
    """Add a lease; return False where the holder's term is there already."""
    return _add_if_missing(session, _leases, vars(new))


def end_lease_at(session: Session, lease_id: str, *, ends_at: datetime) -> None:
    """Set when a lease ends."""
    session.execute(update(_leases).where(_leases.c.id == lease_id).values(ends_at=ends_at))


def add_quote(session: Session, quote: Quote) -> None:
    """Add a quote."""
    lines = [
        {
            "resource": quoted.line.resource,
            "quantity_min_milliunits": quoted.line.quantity_min_milliunits,
            "quantity_max_milliunits": quoted.line.quantity_max_milliunits,
            "unit_price_pusd": quoted.unit_price_pusd,
            "minimum_utok": quoted.minimum_utok,
            "maximum_utok": quoted.maximum_utok,
        }
        for quoted in quote.lines
    ]
    session.execute(insert(_quotes).values(**{**vars(quote), "lines": lines}))


def quote(session: Session, quote_id: str) -> Quote | None:
    """Return the quote of this identifier, if there is one."""
    row = session.execute(select(_quotes).where(_quotes.c.id == quote_id)).first()
    if row is None:
        return None
    return Quote(**{**row._mapping, "lines": tuple(map(_quoted_line, row.lines))})  # noqa: SLF001 - SQLAlchemy's documented name


def newest_listing(session: Session, *, artifact: str, digest: str) -> Listing | None:
    """Return the listing in force of a version, if it was ever listed."""
    query = (
        select(_listings)
        .where(_listings.c.artifact == artifact, _listings.c.digest == digest)
        .order_by(_listings.c.number.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return None if row is None else Listing(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def add_listing(session: Session, listing: Listing) -> bool:
    """Add a listing; return False where the version has one of this number already."""
    return _add_if_missing(session, _listings, vars(listing))


def _add_if_missing(session: Session, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key exists; on a race, wait for the other transaction's end."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    dialect_insert = sqlite_insert if sqlite else postgresql_insert  # same interface
    statement = dialect_insert(table).values(**values).on_conflict_do_nothing()
    first_key = next(iter(table.primary_key.columns))
    return session.execute(statement.returning(first_key)).first() is not None


def _rules_to_json(rules: PriceRules) -> dict[str, Any]:
    resources = [
        {**vars(resource), "sensitivity": str(resource.sensitivity)}
        for resource in rules.resources
    ]
    return {
        "resources": resources,
        "smoothing": str(rules.smoothing),
        "tick_interval_s": rules.tick_interval_s,
    }


def _rules_from_json(value: Mapping[str, Any]) -> PriceRules:
    resources = tuple(
        Resource(**{**resource, "sensitivity": Fraction(resource["sensitivity"])})
        for resource in value["resources"]
    )
    return PriceRules(
        resources=resources,
        smoothing=Fraction(value["smoothing"]),
        tick_interval_s=value["tick_interval_s"],
    )


def _vector(row: Row[Any]) -> PriceVector:
    return PriceVector(
        sequence=row.sequence,
        at=row.at,
        expires_at=row.expires_at,
        table_version=row.table_version,
        prices={name: Price.from_json(name, value) for name, value in row.prices.items()},
    )


def _lease(row: Row[Any]) -> Lease:
    return Lease(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def _quoted_line(value: Mapping[str, Any]) -> QuotedLine:
    return QuotedLine(
        line=QuoteLine(
            resource=value["resource"],
            quantity_min_milliunits=value["quantity_min_milliunits"],
            quantity_max_milliunits=value["quantity_max_milliunits"],
        ),
        unit_price_pusd=value["unit_price_pusd"],
        minimum_utok=value["minimum_utok"],
        maximum_utok=value["maximum_utok"],
    )
