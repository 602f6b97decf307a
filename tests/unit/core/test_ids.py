import re
import time

from core.ids import derived_id, new_id

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
