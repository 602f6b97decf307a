"""Canonical bytes of records: what the log's leaves are hashes of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aem.proof import canonical_json, leaf_hash
from core.database import format_instant


def record_bytes(record: str, row: Mapping[str, Any]) -> bytes:
    """Return the one byte string of a record: its name and all columns of its row.

    An instant may stand as a datetime or as the text that SQLite keeps of it.
    """
    fields = {
        name: format_instant(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    return canonical_json({"record": record, "fields": fields})


def record_hash(record: str, row: Mapping[str, Any]) -> bytes:
    """Return the leaf hash of a record (RFC 6962, section 2.1)."""
    return leaf_hash(record_bytes(record, row))
