"""Of other people's programs, each broken with one fault, offline repair mends most."""

import json
import subprocess
import sys

import pytest

TASKS = 24
REPAIRED_MIN = 14
OVERFIT_MAX = 2
TIMEOUT_S = 900


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(TIMEOUT_S)
def test_most_of_a_seeded_sample_is_mended_on_held_out_cases() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.humaneval", "--json", "--sandbox", "docker"),
            *("--tasks", str(TASKS), "--seed", "1", "--parallel", "2"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["tasks"], result["sandbox"]) == (TASKS, "docker")
    missed = [order["name"] for order in result["orders"] if not order["repaired"]]
    assert result["repaired"] >= REPAIRED_MIN, missed
    assert result["overfit"] <= OVERFIT_MAX
    assert sum(family["tasks"] for family in result["families"].values()) == TASKS
    assert sum(family["repaired"] for family in result["families"].values()) == result["repaired"]
