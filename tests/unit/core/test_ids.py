import re
import time
from datetime import UTC, datetime, timedelta

from core.ids import dated_id, derived_id, new_id

FORM = re.compile(r"ord_[0-9abcdefghjkmnpqrstvwxyz]{26}")


def test_fresh_identifiers_have_one_form_and_never_meet() -> None:
    made = [new_id("ord") for _ in range(1_000)]
    assert all(FORM.fullmatch(identifier) for identifier in made)
    assert len(set(made)) == len(made)


def test_fresh_identifiers_sort_by_time() -> None:
    first = new_id("ord")
    time.sleep(0.002)
    assert first < new_id("ord")


def test_derived_identifiers_depend_on_every_part_and_on_where_it_ends() -> None:
    assert derived_id("use", "a", "b") == derived_id("use", "a", "b")
    others = [derived_id("use", *parts) for parts in (("ab",), ("a", "b"), ("b", "a"), ("", "ab"))]
    assert len(set(others)) == len(others)
    assert FORM.fullmatch(derived_id("ord", "a"))


def test_dated_identifiers_sort_by_their_instant_and_depend_on_every_part() -> None:
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    made = [dated_id("ord", at + timedelta(milliseconds=n), "a", "b") for n in range(100)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert made[0] == dated_id("ord", at + timedelta(microseconds=999), "a", "b")
    assert len({dated_id("ord", at, *parts) for parts in (("a", "b"), ("ab",), ("b", "a"))}) == 3
    assert all(FORM.fullmatch(identifier) for identifier in made)


def test_a_dated_identifier_begins_as_a_fresh_one_of_that_moment() -> None:
    before = datetime.now(UTC)
    fresh = new_id("ord")
    after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert dated_id("ord", before, "a")[:14] <= fresh[:14] <= dated_id("ord", after, "a")[:14]
