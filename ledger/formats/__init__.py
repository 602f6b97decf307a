"""Formats in which the journal leaves the house, for the tools of those who keep books."""

from ledger.formats.beancount import Beancount
from ledger.formats.columns import CommaSeparated
from ledger.formats.hledger import Hledger
from ledger.formats.journal import Format, Journal, JournalAccount, JournalEntry
from ledger.formats.parquet import Parquet

FORMATS: dict[str, Format] = {
    "beancount": Beancount(),
    "hledger": Hledger(),
    "csv": CommaSeparated(),
    "parquet": Parquet(),
}
"""By the names that callers ask for them."""

__all__ = ["FORMATS", "Format", "Journal", "JournalAccount", "JournalEntry"]
