"""Files on the command line that cannot be written, or are not what they should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import cli, main
from cli.output import ExitCode
from cli.remote import reconciliations
from cli.remote.files import save

DEAD_URL = "http://127.0.0.1:9"


WRITING = [
    ("audit", "export", "{path}"),
    ("audit", "checkpoint", "-o", "{path}"),
    ("audit", "prove", "tra_1", "-o", "{path}"),
    ("ledger", "export", "{path}", "--format", "csv"),
]


def run(*arguments: str) -> Result:
    """Run where no service answers: what is refused was refused before anything was asked."""
    env = {"AEM_URL": DEAD_URL, "AEM_API_KEY": ""}
    return CliRunner().invoke(cli, arguments, env=env)


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_path_that_cannot_be_written_is_refused_before_the_download(
    arguments: tuple[str, ...], parent: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / parent / "x"
    ended = run(*(argument.format(path=path) for argument in arguments))
    assert ended.exit_code == ExitCode.USAGE
    assert f"{path} cannot be written: {path.parent} is no folder" in ended.output


def test_an_argument_that_is_quoted_commands_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["aem", "status\x1b[2J"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "status" in error
    assert "\x1b" not in error


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_file_that_is_there_is_refused_before_the_download(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "kept.json"
    path.write_text("evidence")
    named = [argument.format(path=path) for argument in arguments]
    ended = run(*named)
    assert ended.exit_code == ExitCode.USAGE
    assert f"{path} is there already: --force replaces it" in ended.output
    forced = run(*named, "--force")
    assert forced.exit_code == ExitCode.UNAVAILABLE, "only then the service is asked"
    assert path.read_text() == "evidence"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "x"
    assert save(file, [b"ab", b"c"], is_forced=False) == 3

    def broken() -> Iterator[bytes]:
        yield b"new"
        assert [path for path in tmp_path.iterdir() if path != file] != [], "it is written beside"
        raise EOFError

    with pytest.raises(EOFError):
        save(file, broken(), is_forced=True)
    assert file.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [file]
    assert save(file, [b"new"], is_forced=True) == 3
    assert file.read_bytes() == b"new"


def test_a_file_that_came_to_be_during_the_download_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x"

    def overtaken() -> Iterator[bytes]:
        yield b"mine"
        file.write_bytes(b"theirs")

    with pytest.raises(click.ClickException, match="came to be meanwhile"):
        save(file, overtaken(), is_forced=False)
    assert file.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_leads_on_and_a_device_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "behind")
    save(tmp_path / "link", [b"x"], is_forced=False)
    assert (tmp_path / "behind").read_bytes() == b"x"
    assert (tmp_path / "link").is_symlink()
    assert save(Path("/dev/null"), [b"x"], is_forced=False) == 1
    assert Path("/dev/null").is_char_device()


def test_what_fails_while_writing_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="gone/x cannot be written: No such file"):
        save(tmp_path / "gone" / "x", [b"x"], is_forced=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "verify", "{export}", "--checkpoint", "{junk}"),
        ("audit", "verify", "{export}", "--trust", "{junk}"),
        ("audit", "prove", "--from", "{junk}"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("content", [b"junk", b"{}", b"\xff\x00"], ids=repr)
def test_a_file_that_is_no_evidence_is_named(
    arguments: tuple[str, ...], content: bytes, tmp_path: Path
) -> None:
    names = {"export": tmp_path / "export", "junk": tmp_path / "junk.json"}
    names["export"].touch()
    names["junk"].write_bytes(content)
    ended = run(*(argument.format(**names) for argument in arguments))
    assert ended.exit_code == ExitCode.BAD_INPUT
    assert f"{names['junk']} is no sound " in ended.output


def test_where_nobody_can_be_asked_a_reconciliation_says_to_confirm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def reconcile(_content: bytes, *, is_dry_run: bool, **_period: Any) -> dict[str, Any]:
        asked.append(is_dry_run)
        return {"counts": {}, "transfers": [], "is_replay": False}

    @contextmanager
    def connect() -> Iterator[Any]:
        yield SimpleNamespace(reports=SimpleNamespace(reconcile=reconcile))

    monkeypatch.setattr(reconciliations, "connect", connect)
    monkeypatch.setattr(reconciliations, "_print_reconciliation", lambda _found: None)
    invoice = tmp_path / "invoice.csv"
    invoice.touch()
    arguments = ["ledger", "reconcile", str(invoice), "--provider", "openai"]
    ended = CliRunner().invoke(cli, arguments)
    assert (ended.exit_code, asked) == (ExitCode.USAGE, [True])
    assert "settle with --yes" in ended.output
    answered = CliRunner().invoke(cli, arguments, input="y\n")
    assert (answered.exit_code, asked) == (0, [True, True, False])


def test_who_may_read_a_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b"old")
    file.chmod(0o600)
    save(file, [b"new"], is_forced=True)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_a_name_may_be_as_long_as_the_folder_takes(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 255)
    save(file, [b"new"], is_forced=False)
    assert file.read_bytes() == b"new"


def test_links_in_a_ring_are_refused(tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    ring.symlink_to(ring)
    with pytest.raises(click.ClickException, match="cannot be written"):
        save(ring, [b"new"], is_forced=True)
    assert list(tmp_path.iterdir()) == [ring]
