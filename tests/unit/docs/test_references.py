"""The reference pages say what the code says: names, defaults, figures."""

import ast
import importlib
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import aem
import api
import core
import devops_agent
import gold
import ledger
import market
import registry
import sandbox
from aem.errors import SdkError
from api.routes import (
    alerts,
    artifacts,
    audit,
    budgets,
    events,
    keys,
    orders,
    postings,
    reports,
    service,
)
from api.routes import gold as gold_routes
from api.routes import ledger as ledger_routes
from api.settings import Settings
from cli.main import cli
from cli.output import ExitCode
from core.errors import AemError
from gold.json_text import PROBLEMS
from gold.leakage import LEAK_REASON
from gold.report import REASONS, SUBMITTER_REASONS
from ledger.domain import RejectionReason

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ROOMS = (core, ledger, registry, gold, sandbox, market, devops_agent, api, aem)

HTTP_REASONS = {
    "invalid_request",
    "internal",
    "body_too_large",
    "not_found",
    "method_not_allowed",
    "unstorable_value",
}
"""Given by `api.errors` and `api.bodies` to what is no error of the house."""

UNMARKED = "(empty)"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def first_cells(text: str) -> set[str]:
    """Return the names in backquotes of the first column of all tables."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" not in found.name and "__main__" not in found.name:
            yield importlib.import_module(found.name)


def error_types(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        yield child
        yield from error_types(child)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(cli, "aem"))


class TestCommands:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_is_described_with_every_option(self, name: str) -> None:
        told = section(page("cli.md"), f"`{name}`")
        for parameter in COMMANDS[name].params:
            if isinstance(parameter, click.Option):
                for option in (*parameter.opts, *parameter.secondary_opts):
                    assert f"`{option}" in told, f"{name} has {option}"
            else:
                assert str(parameter.make_metavar(click.Context(COMMANDS[name]))).strip("[]") in (
                    told
                )

    @pytest.mark.parametrize("name", COMMANDS)
    def test_no_option_is_described_that_is_not_there(self, name: str) -> None:
        told = section(page("cli.md"), f"`{name}`").split("```")[0]
        known = {
            option
            for parameter in COMMANDS[name].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"`(--[a-z-]+)", told)) <= known

    def test_no_command_is_described_that_is_not_there(self) -> None:
        headings = re.findall(r"^### `(aem [^`]+)`$", page("cli.md"), re.MULTILINE)
        assert sorted(headings) == sorted(COMMANDS)

    def test_exit_codes(self) -> None:
        rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page("cli.md"), re.MULTILINE)
        assert {name: int(code) for code, name in rows} == {c.name: c.value for c in ExitCode}

    @pytest.mark.parametrize(
        "path", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name
    )
    def test_examples_use_commands_and_options_that_are_there(self, path: Path) -> None:
        for line in example_lines(path.read_text()):
            words = shlex.split(line)
            name = max(
                (known for known in COMMANDS if [*known.split()] == words[: len(known.split())]),
                key=len,
                default=None,
            )
            assert name, f"{path.name}: {line}"
            known = {option for p in COMMANDS[name].params for option in (*p.opts, "-h")}
            known |= {option for p in COMMANDS[name].params for option in p.secondary_opts}
            used = {word.split("=")[0] for word in words if word.startswith("--")}
            assert used <= known, f"{path.name}: {line}"


def example_lines(text: str) -> Iterator[str]:
    """Return the `aem` commands in shell blocks, without what the shell does with them."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            for found in re.finditer(r"(?:^|\$\(|&& |[A-Z_]=\S+ )(aem [^|)>#&]+)", line):
                yield found[1]


class TestSettings:
    def test_every_setting_with_its_default(self) -> None:
        rows = re.findall(
            r"^\| `(AEM_[A-Z_]+)` \| (\S+) \| [a-z]+ \|", page("settings.md"), re.MULTILINE
        )
        rows += re.findall(
            r"^\| `(AEM_[A-Z_]+)` \| (\S+) \| (?:URL|path) \|", page("settings.md"), re.MULTILINE
        )
        told = {name: default.strip("`") for name, default in rows}
        assert told == {
            f"AEM_{name.upper()}": str(field.default) if str(field.default or "") else UNMARKED
            for name, field in Settings.model_fields.items()
        }


class TestErrors:
    def known(self) -> set[str]:
        for room in ROOMS:
            for _ in modules_of(room):
                pass
        names = {room.__name__ for room in ROOMS}  # tests define errors of their own
        reasons = {
            str(vars(kind)["reason"])
            for kind in [*error_types(AemError), *error_types(SdkError), SdkError]
            if "reason" in vars(kind) and kind.__module__.partition(".")[0] in names
        }
        return (
            reasons
            | HTTP_REASONS
            | {*REASONS, *SUBMITTER_REASONS, LEAK_REASON}
            | {reason.value for reason in RejectionReason}
            | order_endings()
        )

    def test_every_reason_is_described(self) -> None:
        assert self.known() - first_cells(page("errors.md")) == set()

    def test_rejections_stand_in_the_order_of_their_precedence(self) -> None:
        table = section(page("errors.md"), "Why a transfer is refused")
        assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == list(RejectionReason)

    def test_no_reason_is_described_that_is_not_given(self) -> None:
        assert first_cells(page("errors.md")) - self.known() == set()


def order_endings() -> set[str]:
    """Return the reasons that an order's workflow gives by itself."""
    sources = [path.read_text() for path in (ROOT / "devops_agent").glob("*.py")]
    found: set[str] = set()
    for source in sources:
        found |= set(re.findall(r'(?:reason=|"reason": )"([a-z_]+)"', source))
        found |= set(re.findall(r'^[A-Z_]+_EXHAUSTED = "([a-z_]+)"', source, re.MULTILINE))
    assert found >= {"no_candidate", "escrow_exhausted"}
    return found


class TestGoldFindings:
    def known(self) -> set[str]:
        found: set[str] = set()
        for path in (ROOT / "gold").glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    found |= set(finding_of(node, node.func.attr))
        return found

    def test_every_finding_is_described(self) -> None:
        told = first_cells(section(page("gold-format.md"), "What the lint finds"))
        assert self.known() == told

    def test_problems_of_strict_json(self) -> None:
        told = re.findall(r"`([a-z_0-9]+)`", section(page("gold-format.md"), "Strict JSON"))
        assert tuple(told) == PROBLEMS


def finding_of(call: ast.Call, method: str) -> Iterator[str]:
    if method in ("refuse", "warn"):
        place = call.args[2] if len(call.args) == 4 else call.args[0]
        if isinstance(place, ast.Constant) and isinstance(place.value, str):
            yield place.value


def test_every_route_is_described_and_no_other() -> None:
    parts = (
        alerts,
        artifacts,
        audit,
        budgets,
        events,
        gold_routes,
        keys,
        ledger_routes,
        orders,
        postings,
        reports,
        service,
    )
    known = {
        f"{method} {route.path}"
        for module in parts
        for route in module.router.routes
        for method in route.methods
    }
    assert first_cells(section(page("http.md"), "Routes")) == known


def test_the_picture_of_the_rooms_is_what_import_linter_checks() -> None:
    told = section((ROOT / "README.md").read_text(), "The rooms").split("```")[1]
    drawn = [re.split(r"\s{2,}", line)[0] for line in told.strip().splitlines()]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert drawn == settings["tool"]["importlinter"]["contracts"][0]["layers"]


def test_every_link_leads_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]*)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_link_to_a_heading_finds_it() -> None:
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
            text = ((path.parent / target) if target else path).read_text()
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{path.name}: {target}#{anchor}"


def test_every_decision_is_in_the_index() -> None:
    names = {path.name for path in (DOCS / "adr").glob("0*.md")}
    assert set(re.findall(r"\]\((0[^)]+)\)", page("adr/index.md"))) == names
