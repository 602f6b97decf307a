from registry.difference import (
    FILE_LIMIT_LINES,
    TOTAL_LIMIT_BYTES,
    FileChange,
    compare_files,
)


def test_equal_files_are_not_named() -> None:
    assert compare_files({"a": b"1\n"}, {"a": b"1\n"}) == ()


def test_a_changed_file_has_a_unified_diff() -> None:
    (found,) = compare_files({"src/a.py": b"one\ntwo\n"}, {"src/a.py": b"one\n2\n"})
    assert found.change is FileChange.CHANGED
    assert found.hunks == "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"


def test_added_and_removed_files_stand_against_nothing() -> None:
    removed, added = compare_files({"a": b"1\n"}, {"b": b"2\n"})
    assert (removed.change, added.change) == (FileChange.REMOVED, FileChange.ADDED)
    assert removed.hunks == "--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
    assert added.hunks == "--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+2\n"


def test_a_missing_last_line_end_is_marked() -> None:
    (found,) = compare_files({"a": b"1"}, {"a": b"1\n"})
    assert "-1\n\\ No newline at end of file\n+1\n" in found.hunks


def test_what_is_no_text_is_noted_as_binary() -> None:
    found = compare_files({"a": b"\0", "b": b"x"}, {"a": b"\1", "b": b"\xff"})
    assert [(entry.hunks, entry.note) for entry in found] == [("", "binary")] * 2


def test_large_files_are_noted() -> None:
    long = b"x\n" * (FILE_LIMIT_LINES + 1)
    (found,) = compare_files({"a": b""}, {"a": long})
    assert (found.hunks, found.note) == ("", "too large")


def test_the_whole_is_bounded_and_still_names_every_file() -> None:
    new = {f"{index:02}": b"x" * 200_000 for index in range(20)}
    found = compare_files({}, new)
    assert [entry.path for entry in found] == sorted(new)
    assert sum(len(entry.hunks) for entry in found) <= 2 * TOTAL_LIMIT_BYTES
    notes = [entry.note for entry in found]
    assert notes == [""] * 10 + ["left out: the whole is too large"] * 10
