import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import MARKS_MAX, SHORT_CHARACTERS, nfkc

MARKS = "\u0301\u0323\u0344\u0f73\u0f75\uff9e"
PADDING = "plain text " * (SHORT_CHARACTERS // 10)


@given(st.text(st.sampled_from(f"ae\ufb01\u1100\u1161 {MARKS}") | st.characters(), max_size=29))
def test_written_language_is_normalized_as_python_does(text: str) -> None:
    longer = PADDING + text
    assert nfkc(longer) == unicodedata.normalize("NFKC", longer)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73", "\u0344", "\uff9e\u0323"])
def test_a_million_marks_in_a_row_take_no_time(marks: str) -> None:
    text = "a" + marks * (1_000_000 // len(marks))
    begun_s = time.process_time()
    found = nfkc(text)
    assert time.process_time() - begun_s < 30  # their square would take hours
    assert nfkc(PADDING + "e\u0301" + text).startswith(PADDING + "\u00e9")
    assert set(map(unicodedata.combining, found[1:])) != {0}


def test_a_row_is_cut_in_the_same_way_wherever_it_stands() -> None:
    row = "a" + "\u0301\u0323" * MARKS_MAX
    assert nfkc(PADDING + row + "b") == PADDING + nfkc(row + "b" + PADDING)[: -len(PADDING)]
