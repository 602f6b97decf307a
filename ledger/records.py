"""Canonical bytes of records: what the log's leaves are hashes of."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from aem.proof import NotCanonicalError, canonical_json, leaf_hash
from core.database import format_instant
from ledger.domain import Transfer

_LAYOUTS = 64
"""Kinds of records with their columns, of which there are a few."""

_INSTANTS = 1_024
"""All records of a posting have the same instant."""


def record_bytes(record: str, row: Mapping[str, Any]) -> bytes:
    """Return the one byte string of a record: its name and all columns of its row.

    They are what `canonical_json` writes of ``{"record": ..., "fields": {...}}``.

    Raises:
        NotCanonicalError: a value has no canonical form.
    """
    return _bytes(record, fields_text(row))


def record_hash(record: str, row: Mapping[str, Any]) -> bytes:
    """Return the leaf hash of a record (RFC 6962, section 2.1)."""
    return leaf_hash(record_bytes(record, row))


def hash_of_fields(record: str, fields: str) -> bytes:
    """Return the leaf hash of the record with these fields, given by `fields_text`."""
    return leaf_hash(_bytes(record, fields))


def transfer_text(transfer: Transfer) -> str:
    """Return a transfer's row in canonical JSON: `fields_text` in a third of the time."""
    quoted = encode_basestring
    hold_id, reverses, expires_at = transfer.hold_id, transfer.reverses, transfer.expires_at
    return (
        f'{{"amount":{transfer.amount:d},"at":{_instant(transfer.at)},'
        f'"batch_key":{quoted(transfer.batch_key)},"credit":{quoted(transfer.credit)},'
        f'"currency":"{transfer.currency.value}","debit":{quoted(transfer.debit)},'
        f'"expires_at":{"null" if expires_at is None else _instant(expires_at)},'
        f'"hold_id":{"null" if hold_id is None else quoted(hold_id)},"id":{quoted(transfer.id)},'
        f'"kind":{quoted(transfer.kind)},"memo":{quoted(transfer.memo)},'
        f'"phase":"{transfer.phase.value}","position":{transfer.position:d},'
        f'"reference":{quoted(transfer.reference)},'
        f'"reverses":{"null" if reverses is None else quoted(reverses)}}}'
    )


def fields_text(row: Mapping[str, Any]) -> str:
    """Return a row's canonical JSON, put together from what all rows of a kind share.

    An instant may stand as a datetime or as the text that SQLite
    keeps of it.

    Raises:
        NotCanonicalError: a value has no canonical form.
    """
    return "".join([prefix + _text(row[name]) for name, prefix in _layout(tuple(row))]) + "}"


def _bytes(record: str, fields: str) -> bytes:
    try:
        return f'{{"fields":{fields},"record":{encode_basestring(record)}}}'.encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a text holds a lone surrogate: it has no UTF-8 form") from error


@lru_cache(maxsize=_LAYOUTS)
def _layout(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the columns in canonical order, each with what stands before its value.

    Names of columns are ASCII, so that their canonical order is that of their characters.
    """
    separators = ["{", *[","] * (len(names) - 1)]
    return tuple(
        (name, f"{separator}{encode_basestring(name)}:")
        for separator, name in zip(separators, sorted(names), strict=True)
    )


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, datetime):
        return _instant(value)
    return canonical_json(value).decode()


@lru_cache(maxsize=_INSTANTS)
def _instant(value: datetime) -> str:
    return encode_basestring(format_instant(value))
