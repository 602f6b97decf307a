"""Windows are found wherever they stand, and in no time however long the texts are."""

import time

from hypothesis import given
from hypothesis import strategies as st

from gold.verbatim import MAX_PLACES_PER_BLOCK, RUN_MIN_CHARACTERS, Haystack


@given(st.text("ab", max_size=400), st.integers(0, 400), st.text("ab", min_size=50, max_size=50))
def test_a_window_is_found_wherever_it_stands(text: str, start: int, other: str) -> None:
    haystack = Haystack(text)
    window = text[start : start + RUN_MIN_CHARACTERS]
    for sought in (window, other):
        if len(sought) < RUN_MIN_CHARACTERS:
            continue
        places = [n for n in range(len(text)) if text.startswith(sought, n)]
        assert sorted(set(haystack.places(sought))) == places
        assert (sought in haystack) == bool(places)


def test_a_block_at_many_places_hides_no_window() -> None:
    block = "abcdefghijklmnopqrstuvwxy"
    text = block * (2 * MAX_PLACES_PER_BLOCK) + "z" * 7 + block * 2
    haystack = Haystack(text)
    assert "z" * 5 + block + block[:20] in haystack
    assert len(set(haystack.places(block * 2))) == 2 * MAX_PLACES_PER_BLOCK


def test_looking_takes_no_longer_in_a_longer_text() -> None:
    text = "".join(f"{number:08x}" for number in range(500_000))
    haystack = Haystack(text)
    assert text[-50:] in haystack
    begun_s = time.process_time()
    assert not any(f"{number:050x}" in haystack for number in range(1, 4_000))
    assert time.process_time() - begun_s < 1  # searching 4 MB for each takes seconds
