"""What `prompt-search` makes of the prompt example, on the real small model, through one order.

    python -m benchmarks.chat_extractor [--chats-per-group N] [--runs N]

Serves the model, builds dataset and traces, starts a service of its own and submits the prompt.
The figures are the judge's, on the holdout; the incumbent is the prompt as it was submitted.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from aem.client import Client
from cli.local.embedded import EmbeddedService

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "chat-extractor-prompt"
MODEL_FOLDER = ROOT / ".aem" / "model"

CHATS_PER_GROUP = 3
RUNS = 300
SESSION_S = 1_700
CALL_S = 300
"""Far more than a call takes on two free processors: others may use them too."""

START_S = 300.0
"""The first start fetches the weights."""

LOOK_INTERVAL_S = 1.0
DAILY_NUSD = 5_000_000_000
KAPPA_UTOK = 1_000_000_000
GRANT_UTOK = 4_000_000_000
MAX_PRICE_UTOK = 3_000_000_000


class ModelMissingError(Exception):
    """The small model cannot be served here; the message has the server's last words."""


@contextmanager
def model_served(folder: Path) -> Iterator[Path]:
    """Serve the model on a free port as the example's README says; give its catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(EXAMPLE / "serve_model.py")]
    command += ["--folder", str(folder), "--port", "0"]
    with tempfile.NamedTemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_model(server, Path(log.name))
            yield folder / "models.toml"
        finally:
            server.terminate()
            server.wait(timeout=30)


def measure(
    folder: Path, catalogue: Path, *, chats_per_group: int = CHATS_PER_GROUP, runs: int = RUNS
) -> dict[str, Any]:
    """Order the improvement in a service of its own; return what came of it."""
    build = [sys.executable, str(EXAMPLE / "build.py"), "--into", str(folder / "example")]
    subprocess.run([*build, "--chats-per-group", str(chats_per_group)], check=True)
    settings = {
        "models": str(catalogue),
        "model_call_s": str(CALL_S),
        "synthesis_case_runs": str(runs),
        "synthesis_session_s": str(SESSION_S),
        "validation_session_s": str(SESSION_S),
    }
    with EmbeddedService(folder / "service", **settings) as service:
        return _order(service, folder / "example")


def _order(service: EmbeddedService, example: Path) -> dict[str, Any]:
    with Client(service.url, service.operator_key) as operator:
        operator.set_budget("acme", daily_limit_nusd=DAILY_NUSD, utok_per_usd=KAPPA_UTOK)
        operator.allocate("acme", to="wallet:acme", amount_utok=GRANT_UTOK, reason="benchmark")
        secret = operator.create_key(role="team", namespace="acme")["secret"]
    with Client(service.url, secret) as team:
        gold = team.freeze_gold(Bundle.from_folder(example / "gold"))["digest"]
        started_s = time.monotonic()
        order = team.submit(
            Bundle.from_folder(EXAMPLE / "artifact"),
            gold=gold,
            traces=(example / "traces.jsonl").read_bytes(),
            max_price_utok=MAX_PRICE_UTOK,
            synthesizer="prompt-search",
        )
        while not order["is_final"]:
            time.sleep(LOOK_INTERVAL_S)
            order = team.order(order["id"])
        return _figures(order, team, time.monotonic() - started_s)


def _figures(order: dict[str, Any], team: Client, elapsed_s: float) -> dict[str, Any]:
    calls = team.order_calls(order["id"])["items"]
    found = {
        "outcome": order["outcome"],
        "reason": order["reason"],
        "elapsed_s": round(elapsed_s),
        "calls": len(calls),
        "price_utok": order["price_utok"],
        "search": order["summary"]["synthesis"].get("rationale", ""),
    }
    if "validation" in order["summary"]:
        report = team.order_report(order["id"])
        found |= {"axes": report["axes"], "statistics": report.get("statistics")}
    return found


def _wait_for_model(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        if b"start the service" in log.read_bytes():
            return
        time.sleep(0.2)
    words = log.read_text(errors="replace")[-1000:]
    raise ModelMissingError(f"the small model does not start: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats-per-group", type=int, default=CHATS_PER_GROUP)
    parser.add_argument("--runs", type=int, default=RUNS, help="case runs of the search")
    parser.add_argument("--model-folder", type=Path, default=MODEL_FOLDER)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="aem-chat-") as folder,
        model_served(chosen.model_folder) as catalogue,
    ):
        found = measure(
            Path(folder), catalogue, chats_per_group=chosen.chats_per_group, runs=chosen.runs
        )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
