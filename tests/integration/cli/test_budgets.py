"""What ``aem budget`` says of a budget, of the root and below it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.output import ExitCode
from cli.remote.money import budget
from tests.fakes.clock import FakeClock
from tests.fakes.running_service import TEAM, RunningService, running, settings


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[RunningService]:
    with running(settings(tmp_path / "service", database_url), clock=FakeClock()) as service:
        yield service


def told(house: RunningService, *arguments: str) -> dict[str, str]:
    """Run ``aem budget``; return what it printed, by name."""
    env = {"AEM_URL": house.url, "AEM_API_KEY": house.secret("operator")}
    ended = CliRunner().invoke(budget, list(arguments), env=env)
    assert ended.exit_code == 0, ended.output
    facts = [line.split("  ", 1) for line in ended.output.splitlines()]
    return {name.strip(): value.strip() for name, value in facts}


def test_a_child_shows_its_own_limit_and_calls_the_roots_figures_so(house: RunningService) -> None:
    told(house, "set", "root", "--daily", "5", "--kappa", "1000")
    assert told(house, "set", TEAM, "--parent", "root")["limit"] == "none of its own"
    told(house, "set", TEAM, "--daily", "2")
    closed = told(house, "show", TEAM)
    assert (closed["limit"], closed["left today"]) == ("2 USD a day", "2 USD of its limit")
    assert closed["root root: issued today"] == "at the first use today"
    house.operator.allocate("root", to=f"treasury:{TEAM}", amount_utok=1_000_000, reason="test")
    shown = told(house, "show", TEAM)
    assert (shown["taken today"], shown["left today"]) == ("0 USD", "2 USD of its limit")
    assert shown["root root: kappa"] == "1000 tokens for a USD"
    assert shown["root root: issued today"] == "5000 tokens"
    assert shown["treasury"] == "1 tokens"
    assert not {"kappa", "issued today", "reserve", "fiat left today"} & set(shown)
    assert told(house, "show", "root")["fiat left today"] == "5 USD"


def test_a_child_is_told_of_the_limit_above_it_that_leaves_the_least(
    house: RunningService,
) -> None:
    told(house, "set", "root", "--daily", "5", "--kappa", "1000")
    told(house, "set", TEAM, "--parent", "root", "--daily", "6")
    assert told(house, "show", TEAM)["left today"] == "5 USD of the limit of root"


def test_a_budget_is_not_moved(house: RunningService) -> None:
    told(house, "set", "root", "--daily", "5", "--kappa", "1000")
    told(house, "set", TEAM, "--parent", "root")
    env = {"AEM_URL": house.url, "AEM_API_KEY": house.secret("operator")}
    ended = CliRunner().invoke(budget, ["set", "root", "--parent", TEAM], env=env)
    assert ended.exit_code == ExitCode.CONFLICT
    assert "the budget root is there as the root" in ended.output


def test_a_change_that_waits_for_tomorrow_is_told_with_its_day(house: RunningService) -> None:
    first = told(house, "set", "root", "--daily", "2", "--kappa", "1000")
    assert not [name for name in first if name.startswith("from ")]
    changed = told(house, "set", "root", "--daily", "0")
    assert changed["limit"] == "2 USD a day"
    assert changed["from 2026-01-06 on"] == "0 USD a day, 1000 tokens for a USD"


def test_what_is_not_set_is_said_to_be(house: RunningService) -> None:
    shown = told(house, "set", "root")
    assert (shown["limit"], shown["kappa"]) == ("not set yet", "not set yet")
