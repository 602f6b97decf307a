"""The demo shows what it promises, in each sandbox."""

import json
import subprocess
import sys

import pytest

CALLS_MIN = 100
TIMEOUT_S = 600


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize(
    "sandbox",
    [
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    ],
)
def test_the_main_job_end_to_end(sandbox: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--json", "--sandbox", sandbox],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accepted"] is True
    assert result["sandbox"] == sandbox
    assert all(axis["passed"] for axis in result["axes"].values())
    robustness = result["axes"]["context_robustness"]
    assert robustness["new"] > robustness["old"]
    assert result["price_utok"] > 0
    assert result["version"]["number"] == 2
    for phase in ("swap", "rollback"):
        assert result[phase]["calls"] >= CALLS_MIN
        assert (result[phase]["failed"], result[phase]["mixed"]) == (0, 0)
    ledger = result["ledger"]
    assert ledger["balances_rebuilt_equal"]
    assert ledger["identity_holds"]
    assert 0 < ledger["fiat_admitted_nusd"] <= ledger["fiat_budget_nusd"]
    assert result["audit_verified"] is True
    assert result["rejection"]["reason"] == "injected_falsehood"
    assert result["rejection"]["refunded_utok"] > 0
