import pytest

from registry import ArtifactName, CursorRefusedError, NameRefusedError, ReasonRequiredError
from registry.domain import PAGE_LIMIT_ROWS, require_reason
from registry.paging import clamp_limit, make_page, read_number


@pytest.mark.parametrize("text", ["acme/echo", "a/b", f"{'x' * 63}/{'y' * 63}", "0-/1-"])
def test_names_read_back(text: str) -> None:
    assert str(ArtifactName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "acme", "acme/", "/echo", "a/b/c", "Acme/echo", "-a/b", "a/b\n", "a/..", f"a/{'x' * 64}"],
)
def test_other_forms_are_no_names(text: str) -> None:
    with pytest.raises(NameRefusedError):
        ArtifactName.parse(text)


def test_a_reason_has_words_and_an_end() -> None:
    assert require_reason("  why \n") == "why"
    assert len(require_reason("x" * 2000)) == 2000
    for text in ("", " \t\n", "x" * 2001):
        with pytest.raises(ReasonRequiredError):
            require_reason(text)


def test_limits_of_pages_are_clamped() -> None:
    assert [clamp_limit(limit) for limit in (-1, 0, 1, 10**9)] == [1, 1, 1, PAGE_LIMIT_ROWS]


def test_a_page_names_the_next_only_when_there_is_more() -> None:
    assert make_page([1, 2, 3], 2, str).next_cursor == "2"
    assert make_page([1, 2], 2, str).next_cursor is None
    assert make_page([], 2, str).items == ()


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "9" * 19, "٣"])
def test_other_texts_are_no_cursors(text: str) -> None:
    with pytest.raises(CursorRefusedError):
        read_number(text)
