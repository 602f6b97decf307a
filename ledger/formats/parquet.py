"""Apache Parquet, for whoever analyses the journal with dataframes."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.formats.columns import COLUMNS, row_of_entry
from ledger.formats.journal import Journal

_PIECE_BYTES = 2**16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_INTEGERS = frozenset({"number", "amount", "position"})
_INSTANTS = frozenset({"at", "expires_at"})


class Parquet:
    """One row group a page. Instants are UTC to the microsecond, integers have 64 bits.

    A Parquet file ends with its directory, and its writer wants a file: it is made in a temporary
    one, so that memory does not grow with the journal.
    """

    media_type = "application/vnd.apache.parquet"
    suffix = "parquet"

    def write(self, journal: Journal) -> Iterator[bytes]:
        """Yield the file's bytes, once it is complete."""
        from arro3.core import RecordBatchReader  # noqa: PLC0415 - 30 MB that only this needs
        from arro3.io import write_parquet  # noqa: PLC0415

        schema = _schema()
        batches = RecordBatchReader.from_batches(schema, _batches(journal, schema))
        with tempfile.TemporaryFile() as file:
            write_parquet(batches, file)
            file.seek(0)
            while piece := file.read(_PIECE_BYTES):
                yield piece


def _schema() -> Any:
    from arro3.core import DataType, Field, Schema  # noqa: PLC0415

    def kind(name: str) -> Any:
        if name in _INTEGERS:
            return DataType.int64()
        if name in _INSTANTS:
            return DataType.timestamp("us", tz="UTC")
        return DataType.utf8()

    return Schema([Field(name, kind(name), nullable=True) for name in COLUMNS])


def _batches(journal: Journal, schema: Any) -> Iterator[Any]:
    from arro3.core import Array, DataType, RecordBatch  # noqa: PLC0415

    for page in journal.entries():
        rows = [row_of_entry(entry) for entry in page]
        columns = []
        for name in COLUMNS:
            wanted = schema.field(name).type
            values = [row[name] for row in rows]
            if name in _INSTANTS:
                microseconds = [None if value is None else _since_epoch(value) for value in values]
                columns.append(Array(microseconds, type=DataType.int64()).cast(wanted))
            else:
                columns.append(Array(values, type=wanted))
        yield RecordBatch.from_arrays(columns, schema=schema)


def _since_epoch(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
