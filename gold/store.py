"""Tables of the gold room and every query on them; private to the room.

The holdout lives here and nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from gold.limits import MAX_ROWS_PAGE

_DIGEST_CHARACTERS = 71
_NAME_CHARACTERS = 130

_datasets = Table(
    "gold_datasets",
    metadata,
    Column("digest", String(_DIGEST_CHARACTERS), primary_key=True),
    Column("name", String(_NAME_CHARACTERS), nullable=False, index=True),
    Column("owner", String(_NAME_CHARACTERS), nullable=False),
    Column("description", String, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("frozen_at", UtcDateTime, nullable=False),
)
_files = Table(
    "gold_files",
    metadata,
    Column("dataset_digest", ForeignKey(_datasets.c.digest), primary_key=True),
    Column("path", String(300), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
_holdout_inputs = Table(
    "gold_holdout_inputs",
    metadata,
    Column("dataset_digest", ForeignKey(_datasets.c.digest), primary_key=True),
    Column("fingerprint", String(_DIGEST_CHARACTERS), primary_key=True, index=True),
)
_tries = Table(
    "gold_tries",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("dataset_digest", ForeignKey(_datasets.c.digest), primary_key=True, index=True),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
_reports = Table(
    "gold_reports",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("dataset_digest", ForeignKey(_datasets.c.digest), nullable=False),
    Column("artifact", String(_NAME_CHARACTERS), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("candidate_digest", String(_DIGEST_CHARACTERS), nullable=False),
    Column("incumbent_digest", String(_DIGEST_CHARACTERS), nullable=True),
    Column("accepted", Boolean, nullable=False),
    Column("body", JSON, nullable=False),
    Column("judged_at", UtcDateTime, nullable=False),
)
_attested_shares = Table(
    "gold_attested_shares",
    metadata,
    Column("report_id", ForeignKey(_reports.c.id), primary_key=True),
    Column("artifact", String(_NAME_CHARACTERS), nullable=False, index=True),
    Column("channel", String(64), nullable=False),
    Column("satisfied", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)


def find_dataset(session: Session, digest: str) -> RowMapping | None:
    """Return a dataset's row."""
    query = select(_datasets).where(_datasets.c.digest == digest)
    return session.execute(query).mappings().one_or_none()


def list_datasets(
    session: Session, *, namespace: str | None, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """Return rows in order of freezing, those after a digest."""
    place = (_datasets.c.frozen_at, _datasets.c.digest)
    query = select(_datasets).order_by(*place).limit(min(limit, MAX_ROWS_PAGE))
    if namespace is not None:
        query = query.where(_datasets.c.name.startswith(f"{namespace}/", autoescape=True))
    if after is not None:
        last = _datasets.alias()
        frozen_at = select(last.c.frozen_at).where(last.c.digest == after).scalar_subquery()
        query = query.where(tuple_(*place) > tuple_(frozen_at, after))
    return session.execute(query).mappings().all()


def add_dataset(
    session: Session,
    row: Mapping[str, Any],
    files: Mapping[str, bytes],
    fingerprints: Iterable[str],
) -> None:
    """Store a dataset whole, unless another transaction has just done so."""
    digest = row["digest"]
    if not _insert_once(session, _datasets, row):
        return
    contents = [
        {"dataset_digest": digest, "path": path, "content": content}
        for path, content in files.items()
    ]
    session.execute(insert(_files), contents)
    inputs = [
        {"dataset_digest": digest, "fingerprint": fingerprint}
        for fingerprint in sorted(set(fingerprints))
    ]
    if inputs:
        session.execute(insert(_holdout_inputs), inputs)


def read_files(session: Session, digest: str) -> dict[str, bytes]:
    """Return a dataset's files by path."""
    query = select(_files.c.path, _files.c.content).where(_files.c.dataset_digest == digest)
    return {path: bytes(content) for path, content in session.execute(query)}


def lock_lineage(session: Session, digest: str) -> list[str]:
    """Return the digests of all datasets that share a holdout input with this one, itself too.

    Their rows stay locked until the caller's transaction ends, so that no two tries on one
    lineage get the same number.
    """
    mine, theirs = _holdout_inputs.alias(), _holdout_inputs.alias()
    sharing = (
        select(theirs.c.dataset_digest)
        .join(mine, mine.c.fingerprint == theirs.c.fingerprint)
        .where(mine.c.dataset_digest == digest)
    )
    query = (
        select(_datasets.c.digest)
        .where((_datasets.c.digest == digest) | _datasets.c.digest.in_(sharing))
        .order_by(_datasets.c.digest)
        .with_for_update()
    )
    return list(session.execute(query).scalars())


def find_try(session: Session, order_id: str, digest: str) -> int | None:
    """Return the number that an order's try on a dataset has."""
    query = select(_tries.c.number).where(
        _tries.c.order_id == order_id, _tries.c.dataset_digest == digest
    )
    return session.execute(query).scalar_one_or_none()


def count_other_orders(session: Session, digests: Sequence[str], order_id: str) -> int:
    """Return how many other orders tried any of the datasets."""
    query = select(func.count(_tries.c.order_id.distinct())).where(
        _tries.c.dataset_digest.in_(digests), _tries.c.order_id != order_id
    )
    return session.execute(query).scalar_one()


def add_try(session: Session, *, order_id: str, digest: str, number: int, at: datetime) -> None:
    """Store a try."""
    session.execute(
        insert(_tries).values(order_id=order_id, dataset_digest=digest, number=number, at=at)
    )


def find_report(session: Session, report_id: str) -> RowMapping | None:
    """Return a report's row."""
    query = select(_reports).where(_reports.c.id == report_id)
    return session.execute(query).mappings().one_or_none()


def list_reports(session: Session, order_id: str) -> Sequence[RowMapping]:
    """Return an order's reports in order of judging."""
    query = (
        select(_reports)
        .where(_reports.c.order_id == order_id)
        .order_by(_reports.c.judged_at, _reports.c.id)
        .limit(MAX_ROWS_PAGE)
    )
    return session.execute(query).mappings().all()


def add_report(session: Session, row: Mapping[str, Any]) -> None:
    """Store a report, unless another transaction has just done so."""
    _insert_once(session, _reports, row)


def is_attested(session: Session, report_id: str) -> bool:
    """Whether the report's share is recorded."""
    query = select(_attested_shares.c.report_id).where(_attested_shares.c.report_id == report_id)
    return session.execute(query).first() is not None


def add_attested_share(session: Session, row: Mapping[str, Any]) -> None:
    """Store the share of satisfied rules of an attested report."""
    _insert_once(session, _attested_shares, row)


def best_attested_share(session: Session, artifact: str, channel: str) -> RowMapping | None:
    """Return the highest recorded share of a channel.

    Doubles order shares of up to millions of rules exactly: distinct ones differ by more than
    their rounding.
    """
    query = (
        select(_attested_shares.c.satisfied, _attested_shares.c.total)
        .where(_attested_shares.c.artifact == artifact, _attested_shares.c.channel == channel)
        .order_by((_attested_shares.c.satisfied * 1.0 / _attested_shares.c.total).desc())
        .limit(1)
    )
    return session.execute(query).mappings().one_or_none()


def _insert_once(session: Session, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row whose key the caller did not find, and say whether it is this one that counts.

    PostgreSQL lets another transaction insert in between; SQLite's writers take turns.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    dialect_insert = sqlite_insert if is_sqlite else postgresql_insert  # same interface
    key = next(iter(table.primary_key.columns))
    statement = dialect_insert(table).values(**row).on_conflict_do_nothing().returning(key)
    return session.execute(statement).first() is not None
