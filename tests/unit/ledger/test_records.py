"""Records' bytes are canonical JSON, to the byte."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.proof import NotCanonicalError, canonical_json
from core.money import MAX_AMOUNT, Currency
from ledger import Phase, Transfer
from ledger.records import fields_text, record_bytes, transfer_text
from ledger.store.tables import row_of, transfers

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INSTANTS = st.datetimes(timezones=st.just(UTC))
TRANSFERS = st.builds(
    Transfer,
    id=TEXTS,
    batch_key=TEXTS,
    position=st.integers(0, 999),
    debit=TEXTS,
    credit=TEXTS,
    amount=st.integers(1, MAX_AMOUNT),
    currency=st.sampled_from(Currency),
    kind=TEXTS,
    phase=st.sampled_from(Phase),
    hold_id=st.none() | TEXTS,
    reverses=st.none() | TEXTS,
    expires_at=st.none() | INSTANTS,
    reference=TEXTS,
    memo=TEXTS,
    at=INSTANTS,
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=12)


@given(
    st.sampled_from(["transfer", "usage", 'a "word"']), st.dictionaries(NAMES, VALUES, min_size=1)
)
def test_a_record_is_its_canonical_json(record: str, row: dict[str, Any]) -> None:
    assert record_bytes(record, row) == canonical_json({"record": record, "fields": row})


@given(TRANSFERS)
def test_a_transfers_text_is_that_of_its_row(transfer: Transfer) -> None:
    row = row_of(transfer)
    assert transfer_text(transfer) == fields_text(row)
    assert set(row) == {column.name for column in transfers.columns}


def test_an_instant_is_its_text_in_utc_with_six_decimals() -> None:
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    for same in (noon, noon.astimezone(timezone(timedelta(hours=3)))):
        assert record_bytes("r", {"at": same}) == (
            b'{"fields":{"at":"2026-01-05T12:00:00.000000Z"},"record":"r"}'
        )


@pytest.mark.parametrize("value", ["\ud800", 2**63, float("nan"), b"bytes"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonicalError):
        record_bytes("r", {"value": value})
