"""Transfers as columns: one row each, amounts as integers of the smallest unit."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from core.database import format_instant
from ledger.formats.journal import Journal, JournalEntry

COLUMNS = (
    "number",
    "id",
    "at",
    "phase",
    "kind",
    "debit",
    "credit",
    "amount",
    "currency",
    "reference",
    "memo",
    "hold_id",
    "reverses",
    "expires_at",
    "batch_key",
    "position",
)


def row_of_entry(entry: JournalEntry) -> dict[str, Any]:
    """Return an entry's values by the names of the columns."""
    return {
        name: entry.number if name == "number" else getattr(entry.transfer, name)
        for name in COLUMNS
    }


class CommaSeparated:
    """RFC 4180, with a header. Empty is no value; texts are exactly as they are stored."""

    media_type = "text/csv; charset=utf-8"
    suffix = "csv"

    def write(self, journal: Journal) -> Iterator[bytes]:
        """Yield the file's bytes."""
        yield (",".join(COLUMNS) + "\r\n").encode()
        for page in journal.entries():
            text = io.StringIO()
            writer = csv.writer(text)
            for entry in page:
                row = row_of_entry(entry)
                for name in ("at", "expires_at"):
                    row[name] = row[name] and format_instant(row[name])
                writer.writerow(row.values())
            yield text.getvalue().encode()
