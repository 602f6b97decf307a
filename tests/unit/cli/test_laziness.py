"""Help is quick and needs none of the service's packages."""

import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from cli.lazy import Lazy, LazyGroup
from cli.main import _COMMANDS, cli

HELP_LIMIT_S = 0.3
TRIES = 5
SERVER_PACKAGES = {
    *("core", "ledger", "registry", "gold", "sandbox", "market", "devops_agent", "api"),
    *("fastapi", "sqlalchemy", "pydantic", "dbos", "docker", "git", "numpy", "sklearn"),
    *("uvicorn", "alembic", "cryptography", "httpx", "rich"),
}
LIST_MODULES = """
import json, sys
from cli.main import main
sys.argv = ["aem", *sys.argv[1:]]
try:
    main()
finally:
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by(*arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]], ids=str)
def test_help_imports_nothing_of_the_service(arguments: list[str]) -> None:
    assert not imported_by(*arguments) & SERVER_PACKAGES


@pytest.mark.parametrize("group", ["gold", "keys", "budget", "submit", "bulk"])
def test_remote_commands_import_the_sdk_and_nothing_of_the_service(group: str) -> None:
    found = imported_by(group, "--help")
    assert "aem" in found
    assert not found & {"core", "api", "gold", "ledger", "fastapi", "sqlalchemy", "dbos"}


def test_help_is_there_at_once() -> None:
    elapsed_s = []
    for _ in range(TRIES):
        started_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "cli.main", "--help"], check=True, capture_output=True
        )
        elapsed_s.append(time.monotonic() - started_s)
    assert min(elapsed_s) < HELP_LIMIT_S  # the fastest: the others tell of the machine's load


def test_the_help_names_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"  {name} " in shown for name in _COMMANDS)


@pytest.mark.parametrize("name", [name for name, lazy in _COMMANDS.items()])
def test_every_command_is_where_the_table_says_and_explains_itself(name: str) -> None:
    ended = CliRunner().invoke(cli, [name, "--help"])
    assert ended.exit_code == 0, ended.output
    assert "Usage: cli " + name in ended.output


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli, ["fly"]).exit_code == 2


def test_a_local_command_without_its_packages_says_what_to_install() -> None:
    missing = Lazy(module="no_such_package.command", help="Nothing.", is_local=True)
    ended = CliRunner().invoke(LazyGroup("aem", lazy={"serve": missing}), ["serve"])
    assert ended.exit_code == 1
    assert "aem-service[server]" in ended.output
    assert "no_such_package" in ended.output
