import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from aem.handle import CallFailedError, LoadFailedError
from aem.handle.in_process import InProcessRuntime
from tests.fakes.bundles import echo_bundle


def runtime(files: dict[str, bytes]) -> InProcessRuntime:
    return InProcessRuntime(echo_bundle().replace(files))


def answer(files: dict[str, bytes], value: Any = None) -> Any:
    loaded = runtime(files)
    try:
        return loaded.call(value)
    finally:
        loaded.close()


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_versions_with_modules_of_the_same_names_live_side_by_side() -> None:
    versions = {word: InProcessRuntime(echo_bundle(word)) for word in ("one", "two", "three")}
    try:
        for _ in range(2):
            assert {word: loaded.call(1)["word"] for word, loaded in versions.items()} == {
                word: word for word in versions
            }
    finally:
        for loaded in versions.values():
            loaded.close()


def test_the_same_version_twice_shares_nothing() -> None:
    counting = {
        "echo.py": b"calls = []\ndef run(v, c):\n    calls.append(v)\n    return len(calls)\n"
    }
    first, second = runtime(counting), runtime(counting)
    assert [first.call(1), first.call(1), second.call(1)] == [1, 2, 1]
    first.close()
    assert second.call(1) == 2
    second.close()


IMPORTS = {
    "from import": b"from pkg.inner import WORD\ndef run(v, c): return WORD",
    "plain": b"import pkg.inner\ndef run(v, c): return pkg.inner.WORD",
    "plain as": b"import pkg.inner as other\ndef run(v, c): return other.WORD",
    "from package": b"from pkg import inner\ndef run(v, c): return inner.WORD",
    "star": b"from pkg.inner import *\ndef run(v, c): return WORD",
    "in a call": b"def run(v, c):\n    import pkg.inner\n    return pkg.inner.WORD",
    "relative inside": b"from pkg.relative import WORD\ndef run(v, c): return WORD",
    "no __init__": b"from bare.inner import WORD\ndef run(v, c): return WORD",
    "twice": b"import pkg.inner\nfrom pkg.inner import WORD\ndef run(v, c): return WORD",
}


@pytest.mark.parametrize("source", list(IMPORTS.values()), ids=list(IMPORTS))
def test_a_versions_own_modules_are_found(source: bytes) -> None:
    files = {
        "echo.py": source,
        "pkg/__init__.py": b"",
        "pkg/inner.py": b"WORD = 'own'",
        "pkg/relative.py": b"from . import inner\nfrom .inner import WORD as W\nWORD = W",
        "bare/inner.py": b"WORD = 'own'",
    }
    assert answer(files) == "own"


def test_its_own_module_goes_before_the_standard_library() -> None:
    files = {"echo.py": b"import colorsys\ndef run(v, c): return colorsys.WORD"}
    assert answer({**files, "colorsys.py": b"WORD = 'own'"}) == "own"
    import colorsys  # noqa: PLC0415 - after the version's

    assert not hasattr(colorsys, "WORD")


def test_folders_without_modules_hide_no_package() -> None:
    files = {"echo.py": b"import httpx\ndef run(v, c): return httpx.__name__", "httpx/a.json": b""}
    assert answer(files) == "httpx"


def test_what_is_neither_its_own_nor_installed_is_missing() -> None:
    with pytest.raises(LoadFailedError, match="ModuleNotFoundError"):
        runtime({"echo.py": b"from pkg import nothing"})


def test_dataclasses_and_enums_work() -> None:
    source = (
        b"from __future__ import annotations\n"
        b"import dataclasses, enum, typing\n"
        b"class Kind(enum.Enum):\n    A = 'a'\n"
        b"@dataclasses.dataclass(frozen=True, slots=True)\n"
        b"class Thing:\n    kind: Kind\n    names: typing.ClassVar[int] = 1\n"
        b"def run(v, c):\n"
        b"    return [Thing(Kind(v)).kind.value, str(typing.get_type_hints(Thing)['names'])]\n"
    )
    assert answer({"echo.py": source}, "a") == ["a", "typing.ClassVar[int]"]


def test_it_reads_its_own_data() -> None:
    source = (
        b"import pathlib\n"
        b"def run(v, c): return (pathlib.Path(__file__).parent / 'data.txt').read_text()\n"
    )
    assert answer({"echo.py": source, "data.txt": b"own"}) == "own"


def test_nothing_is_left_behind(temporary_folder: Path) -> None:
    before, finders = set(sys.modules), list(sys.meta_path)
    loaded = runtime({})
    assert any(name.endswith(".phrase") for name in set(sys.modules) - before)
    assert list(temporary_folder.iterdir()) != []
    loaded.close()
    assert (set(sys.modules) - before, sys.meta_path) == (set(), finders)
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize(
    "source",
    [
        b"raise ValueError('no')",
        b"raise SystemExit",
        b"def run(",
        b"run = 1",
        b"",
        b"\xff",
    ],
)
def test_what_cannot_be_imported_leaves_nothing_behind(
    source: bytes, temporary_folder: Path
) -> None:
    before, finders = set(sys.modules), list(sys.meta_path)
    with pytest.raises(LoadFailedError) as caught:
        runtime({"echo.py": source})
    assert caught.value.reason == "load_failed"
    assert (set(sys.modules) - before, sys.meta_path) == (set(), finders)
    assert list(temporary_folder.iterdir()) == []


def test_a_disk_that_takes_no_files_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(LoadFailedError, match="FileNotFoundError"):
        runtime({})


@pytest.mark.parametrize("raised", ["KeyError(1)", "SystemExit(3)"])
def test_what_a_call_raises_is_its_failure(raised: str) -> None:
    source = f"def run(v, c): raise {raised}"
    with pytest.raises(CallFailedError, match=raised.partition("(")[0]):
        answer({"echo.py": source.encode()})


def test_the_context_offers_nothing_and_says_so() -> None:
    with pytest.raises(CallFailedError, match=r"context\.llm is not offered"):
        answer({"echo.py": b"def run(v, c): return c.llm('hi')"})


def test_the_modules_are_compiled_from_the_verified_bytes(temporary_folder: Path) -> None:
    lazy = {"echo.py": b"def run(v, c):\n    import phrase\n    return phrase.WORD\n"}
    loaded = runtime(lazy)
    (folder,) = temporary_folder.iterdir()
    (folder / "phrase.py").write_text("WORD = 'planted'")
    assert loaded.call(1) == "one"
    loaded.close()
