"""Copies are seen through renaming, formatting, moving, editing and padding; strangers are not."""

import tracemalloc
from tokenize import TokenInfo

import pytest

from aem.artifact import Bundle
from registry import MIN_TOKENS, Substance, TooMuchTextError
from registry import substance as substances
from registry.likeness import RUN_TOKENS, WINDOW_RUNS, compare, fingerprints
from registry.substance import MAX_PROSE_BYTES, MAX_TOKENS
from tests.fakes.copies import (
    EDITED,
    ORIGINAL,
    PADDED,
    REFORMATTED,
    RENAMED,
    REORDERED,
    UNRELATED,
    work_files,
)


def substance(source: str, **files: bytes) -> Substance:
    return Substance.of(Bundle(work_files(source) | files))


def similarity(one: str, other: str) -> float:
    return compare(substance(one), substance(other)).similarity


def prose(text: str) -> Substance:
    return substance("", **{"prompt.txt": text.encode()})


@pytest.mark.parametrize(
    ("copy", "least"),
    [
        (ORIGINAL, 1.0),
        (RENAMED, 0.95),  # f-strings hold names
        (REFORMATTED, 1.0),
        (REORDERED, 1.0),
        (EDITED, 0.9),
        (PADDED, 1.0),
    ],
)
def test_a_copy_is_alike_in_both_directions(copy: str, least: float) -> None:
    assert RENAMED != ORIGINAL
    assert similarity(copy, ORIGINAL) >= least
    assert similarity(ORIGINAL, copy) >= least


@pytest.mark.parametrize("copy", [RENAMED, REFORMATTED, REORDERED, EDITED, PADDED])
def test_a_copy_shares_fingerprints(copy: str) -> None:
    prints = fingerprints(substance(ORIGINAL))
    assert len(prints & fingerprints(substance(copy))) >= 0.4 * len(prints)


def test_strangers_are_not_alike() -> None:
    assert similarity(UNRELATED, ORIGINAL) < 0.3
    assert not fingerprints(substance(UNRELATED)) & fingerprints(substance(ORIGINAL))


def test_what_a_copy_takes_is_shown_in_its_own_lines() -> None:
    likeness = compare(substance(PADDED), substance(RENAMED))
    first = ORIGINAL[: ORIGINAL.index("def largest_amount")].count("\n") + 1
    matches = {(match.path, match.first_line) for match in likeness.matches}
    assert ("work.py", first) in matches
    padding = ORIGINAL.count("\n") + 1
    assert all(match.last_line <= padding for match in likeness.matches if match.similarity > 0.5)


def test_using_a_small_part_of_something_is_no_copy() -> None:
    large = "\n\n".join(
        f"def step_{n}(table):\n    return [r[{n}] ** {n + 1} // {n + 7} for r in table if r]"
        for n in range(120)
    )
    assert similarity(large + "\n\n" + ORIGINAL, ORIGINAL) < 0.3


def test_code_in_two_files_is_still_a_copy() -> None:
    head, tail = ORIGINAL.split("\n\n\ndef describe")
    parted = substance("def describe" + tail, **{"amounts.py": head.encode()})
    assert compare(parted, substance(ORIGINAL)).similarity == 1


def test_docstrings_comments_and_shared_files_do_not_count() -> None:
    bare = substance("x = 1\n")
    talkative = substance(
        '"""Says much."""\n# and more\nx = 1\n',
        **{"LICENSE": b"Permission is hereby granted", "NOTICE.md": b"by somebody"},
    )
    assert talkative.size_tokens == bare.size_tokens


def test_prompts_are_compared_by_words_whatever_case_and_spacing() -> None:
    text = "\n\n".join(
        f"Rule {n}: answer question number {n} with the word that the customer used last."
        for n in range(8)
    )
    assert prose(text).size_tokens >= MIN_TOKENS
    assert compare(prose(text.upper().replace(" ", "\n")), prose(text)).similarity == 1
    other = "Translate what follows to French, keep the names, and never add a word of your own."
    assert compare(prose(other * 8), prose(text)).similarity < 0.3


def test_long_data_files_are_not_prose() -> None:
    data = b"word " * (MAX_PROSE_BYTES // 5 + 1)
    assert substance("x = 1", **{"table.json": data}).size_tokens == 3


@pytest.mark.parametrize(
    "source",
    [
        "def broken(:\n  x = (1\n",
        "if x:\n    y\n  z\n",
        "'unended\n",
        "\x00\n",
        "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
        "",
    ],
)
def test_code_that_is_no_python_is_read_as_far_as_it_goes(source: str) -> None:
    found = substance(source)
    assert compare(found, found).similarity in (0.0, 1.0)


def test_there_is_a_limit() -> None:
    with pytest.raises(TooMuchTextError):
        substance("[" + "1, " * (MAX_TOKENS + 1) + "]")


def test_every_shared_run_of_the_promised_length_leaves_a_common_fingerprint() -> None:
    tokens = [str(n) for n in range(500, 500 + RUN_TOKENS + WINDOW_RUNS - 1)]
    shared = " ".join(tokens)
    one = prose("one " + " ".join(str(n) for n in range(40)) + " " + shared)
    other = prose(shared + " " + " ".join(str(n) for n in range(900, 960)))
    assert fingerprints(one) & fingerprints(other)


def test_thousands_of_short_pieces_take_little_memory() -> None:
    words = "\n\n".join(f"word{number}" for number in range(4_000))
    one, other = prose(words), prose(words + "\n\nlast")
    assert len(one.pieces) == 4_000
    tracemalloc.start()
    try:
        assert compare(one, other).similarity == 1.0
        assert tracemalloc.get_traced_memory()[1] < 15_000_000  # the whole table has 64 MB
    finally:
        tracemalloc.stop()


def test_text_ends_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def normalized(token: TokenInfo) -> str:
        read.append(token.string)
        return token.string

    monkeypatch.setattr(substances, "_normalized", normalized)
    line = "x = " + "1 + " * (2 * MAX_TOKENS) + "1\n"
    with pytest.raises(TooMuchTextError):
        substance(line)
    assert len(read) <= MAX_TOKENS + 1
    with pytest.raises(TooMuchTextError):
        substance("x = (" + "(),\n" * (2 * MAX_TOKENS) + ")\n")
