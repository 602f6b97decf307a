"""The command line against a service that enforces nothing: it says so, beside its answers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.running_service import FAULTY, RunningService, running, settings

NOTICE = "NOTICE: observe-only mode: the service refuses nothing for lack of money\n"
TIMEOUT_S = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    chosen = settings(tmp_path_factory.mktemp("observed"), enforcement="observe")
    with running(chosen, clock=FakeClock()) as service:
        service.fund(daily_nusd=1, grant_utok=0)
        service.order(FAULTY, gold=service.freeze(), candidate=FAULTY)
        yield service


def aem(
    service: RunningService, *arguments: str, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    secret = service.operator_key if key is None else key
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=os.environ | {"AEM_URL": service.url, "AEM_API_KEY": secret},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_notice_is_no_part_of_the_json(observed: RunningService) -> None:
    ended = aem(observed, "budget", "show", "acme", "--json")
    assert (ended.returncode, ended.stderr) == (0, NOTICE)
    assert '"enforcement": "observe"' in ended.stdout
    assert "NOTICE" not in ended.stdout


def test_a_budget_a_wallet_and_an_order_show_what_was_let_pass(observed: RunningService) -> None:
    shown = aem(observed, "budget", "show", "acme")
    assert shown.stderr == NOTICE
    facts = dict(line.split(None, 1) for line in shown.stdout.splitlines())
    assert facts["enforcement"] == "observe"
    assert "USD today" in facts["beyond"]
    assert facts["lent"].endswith("tokens, and not given back")
    wallet = aem(observed, "wallet", "acme.bot").stdout
    assert "tokens, lent by observe-only mode" in wallet
    order_id = observed.agent.orders()["items"][0]["id"]
    status = aem(observed, "status", order_id, key=observed.secret("team", "acme")).stdout
    assert (
        "wallet_below_threshold (submission), escrow_not_covered (submission),"
        " budget_exhausted (validation): observe-only mode"
    ) in status


def test_a_refusal_comes_with_the_notice_too(observed: RunningService) -> None:
    ended = aem(observed, "budget", "show", "nobody")
    assert ended.returncode == 5
    assert ended.stderr.startswith(NOTICE + "aem: ")


@pytest.mark.bubblewrap
@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_a_service_says_so_when_it_starts(tmp_path: Path, mode: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "serve", "--port", "0"],
        env=os.environ
        | {
            "AEM_DATA_FOLDER": str(tmp_path),
            "AEM_ENFORCEMENT": mode,
            "AEM_SANDBOX": "bubblewrap",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if line.startswith("AEM listens"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    is_told = any(line.startswith("NOTICE: observe-only mode (AEM_ENF") for line in said)
    assert is_told is (mode == "observe"), said
