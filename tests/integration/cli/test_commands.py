"""Every command against a real service on loopback: one JSON value, and an exit code to go by."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.local.embedded import EmbeddedService
from tests.fakes.gold import DATA

pytestmark = [pytest.mark.slow, pytest.mark.bubblewrap]

GOOD, FAULTY, GOLD = (str(DATA / n) for n in ("artifact-good", "artifact-faulty", "gold-small"))
ARTIFACT = "acme/support-small"
GOLD_NAME = "acme/support-small"
TIMEOUT_S = 120


class Ended:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        """Return the one JSON value that was printed."""
        return json.loads(self.out)


class Aem:
    """Runs the command line in processes of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = {"nobody": ""}

    def __call__(self, who: str, *arguments: str, url: str = "") -> Ended:
        environment = os.environ | {
            "AEM_URL": url or self.url,
            "AEM_API_KEY": self.keys[who],
        }
        ended = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def json(self, who: str, *arguments: str) -> Any:
        """Run with --json; it must succeed, print one value and complain of nothing."""
        ended = self(who, *arguments, "--json")
        assert (ended.code, ended.err) == (0, ""), ended.err
        return ended.json()


@pytest.fixture(scope="module")
def aem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aem]:
    folder = tmp_path_factory.mktemp("service")
    with EmbeddedService(folder, sandbox="bubblewrap") as service:
        aem = Aem(service.url)
        aem.keys["operator"] = service.operator_key
        aem.json("operator", "budget", "set", "acme", "--daily", "5", "--kappa", "1000")
        grant = ("budget", "allocate", "acme", "wallet:acme.bot", "600", "--reason", "test")
        aem.json("operator", *grant)
        for who, options in {
            "team": ("--role", "team", "--namespace", "acme"),
            "agent": ("--role", "agent", "--namespace", "acme", "--agent", "bot"),
            "poor": ("--role", "agent", "--namespace", "acme", "--agent", "poor"),
            "auditor": ("--role", "auditor"),
        }.items():
            aem.keys[who] = aem.json("operator", "keys", "create", *options)["secret"]
        yield aem


@pytest.fixture(scope="module")
def gold(aem: Aem) -> str:
    return str(aem.json("team", "gold", "freeze", GOLD)["digest"])


def submit(*options: str) -> tuple[str, ...]:
    return ("submit", *options, "--max-price", "150")


@pytest.fixture(scope="module")
def orders(aem: Aem, gold: str) -> dict[str, Any]:
    """Two versions that passed, and a candidate that did not."""
    first = aem.json("agent", *submit(FAULTY, "--gold", GOLD_NAME, "--candidate", FAULTY))
    better = aem.json("agent", *submit(FAULTY, "--gold", gold, "--candidate", GOOD))
    worse = aem("agent", *submit(GOOD, "--gold", gold, "--candidate", FAULTY), "--json")
    return {"first": first, "better": better, "worse": worse}


def test_orders_end_as_their_exit_codes_say(orders: dict[str, Any], gold: str) -> None:
    first, better, worse = (orders[name] for name in ("first", "better", "worse"))
    assert (first["outcome"], first["gold"]) == ("accepted", gold)
    assert (better["outcome"], better["version"]["number"]) == ("accepted", 2)
    assert (worse.code, worse.json()["outcome"], worse.err) == (1, "rejected", "")


@pytest.mark.parametrize(
    ("who", "command"),
    [
        ("agent", "status"),
        ("agent", "status {order}"),
        ("agent", "report {order}"),
        ("agent", f"log {ARTIFACT}"),
        ("agent", f"diff {ARTIFACT}@1 {ARTIFACT}@2"),
        ("agent", "wallet"),
        ("team", "wallet acme.bot"),
        ("auditor", "ledger accounts"),
        ("auditor", "ledger transfers"),
        ("auditor", "ledger transfers --account wallet:acme.bot"),
        ("auditor", "ledger usage --reference {order}"),
        ("auditor", "ledger statement wallet:acme.bot --from 2026-01-01"),
        ("auditor", "ledger balances --prefix wallet:"),
        ("auditor", "ledger trial-balance"),
        ("auditor", "ledger summary --by day,owner --provider sandbox"),
        ("auditor", "ledger spend"),
        ("auditor", "ledger indicators"),
        ("auditor", "budget show acme"),
        ("auditor", "audit verify"),
        ("agent", "prices"),
        ("team", "gold list"),
        ("team", "gold show {gold}"),
        ("team", f"gold lint {GOLD}"),
        ("operator", "keys list"),
    ],
    ids=lambda value: value,
)
def test_a_reading_command_prints_one_json_value_or_text_for_people(
    aem: Aem, orders: dict[str, Any], gold: str, who: str, command: str
) -> None:
    arguments = command.format(order=orders["better"]["id"], gold=gold).split()
    value = aem.json(who, *arguments)
    assert isinstance(value, dict)
    assert value
    told = aem(who, *arguments)
    assert (told.code, told.err) == (0, "")
    assert len(told.out.splitlines()) >= 2 or command.startswith(("gold lint", "diff"))
    assert not told.out.startswith("{")


def test_an_operator_posts_a_file_once(aem: Aem, orders: dict[str, Any], tmp_path: Path) -> None:
    move = {
        "command": "move",
        "debit": "wallet:acme.bot",
        "credit": "bond:case-7",
        "amount_utok": 5,
        "memo": "test",
    }
    path = tmp_path / "transfers.jsonl"
    path.write_text(f"{json.dumps(move)}\n{json.dumps(move | {'amount_utok': 10**15})}\n")
    refused = aem("operator", "ledger", "post", str(path))
    assert refused.code == 1
    assert "batch_rejected" in refused.out
    mixed = aem("operator", "ledger", "post", str(path), "--independent", "--key", "k", "--json")
    assert (mixed.code, mixed.json()["is_replay"]) == (1, False)
    assert mixed.json()["outcomes"][1]["rejection"] == "insufficient_funds"
    again = aem("operator", "ledger", "post", str(path), "--independent", "--key", "k", "--json")
    assert again.json() == mixed.json() | {"is_replay": True}
    path.write_text("move\n")
    wrong = aem("operator", "ledger", "post", str(path), "--json")
    assert (wrong.code, wrong.json()["line"]) == (7, 1)


def test_watching_with_json_prints_a_value_a_line_and_the_order_last(
    aem: Aem, orders: dict[str, Any]
) -> None:
    ended = aem("agent", "watch", orders["better"]["id"], "--json")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["kind"] for event in lines[:-1]] == [
        *("escrowed", "ingested", "validating", "published", "deployed", "settled")
    ]
    assert [event["sequence"] for event in lines[:-1]] == list(range(1, len(lines)))
    assert lines[-1] == orders["better"]


def test_watching_a_rejected_order_ends_as_it_did(aem: Aem, orders: dict[str, Any]) -> None:
    ended = aem("agent", "watch", orders["worse"].json()["id"])
    assert ended.code == 1
    assert "rejected" in ended.out


def test_a_channel_goes_back_and_forth(aem: Aem, orders: dict[str, Any]) -> None:
    back = aem.json("team", "rollback", ARTIFACT, "--reason", "test")
    assert back["digest"] == orders["first"]["version"]["digest"]
    forth = aem.json("team", "promote", ARTIFACT, f"{ARTIFACT}@2", "--reason", "test")
    assert (forth["number"], forth["generation"]) == (2, back["generation"] + 1)


def test_a_dataset_is_found_by_its_newest_name(aem: Aem, gold: str, tmp_path: Path) -> None:
    for path, content in files_of(GOLD):
        text = content.replace(b"Support chats", b"Newer chats")
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
    newer = aem.json("team", "gold", "freeze", str(tmp_path))["digest"]
    assert newer != gold
    ended = aem(
        "agent",
        *submit(GOOD, "--gold", GOLD_NAME, "--candidate", GOOD, "--channel", "canary"),
        "--json",
    )
    assert ended.json()["gold"] == newer


def files_of(folder: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def refusal(*command: str, who: str = "agent", code: int, reason: str | None) -> Any:
    return pytest.param(who, command, code, reason, id=f"{code}-{who}-{command[0]}-{reason}")


@pytest.mark.parametrize(
    ("who", "command", "code", "reason"),
    [
        refusal(
            *("submit", GOOD, "--gold", GOLD_NAME, "--max-price", "150"),
            who="poor",
            code=4,
            reason="wallet_below_threshold",
        ),
        refusal(
            *("submit", GOOD, "--gold", GOLD_NAME, "--max-price", "1"),
            code=4,
            reason="max_price_below_quote",
        ),
        refusal(
            *("submit", GOOD, "--gold", "acme/nothing", "--max-price", "150"),
            code=5,
            reason="gold_not_found",
        ),
        refusal("submit", GOLD, "--gold", GOLD_NAME, "--max-price", "150", code=7, reason="x"),
        refusal("status", who="nobody", code=3, reason="not_authenticated"),
        refusal("audit", "verify", code=3, reason="not_allowed"),
        refusal("status", "ord_none", code=5, reason="order_not_found"),
        refusal("log", "acme/nothing", code=5, reason="artifact_not_found"),
        refusal("wallet", "globex", code=5, reason="wallet_not_found"),
        refusal(
            *("promote", ARTIFACT, f"{ARTIFACT}@2", "--reason", "again"),
            who="team",
            code=6,
            reason="already_current",
        ),
        refusal("budget", "set", "acme", who="team", code=3, reason="not_allowed"),
    ],
)
@pytest.mark.usefixtures("orders")
def test_a_refusal_has_its_exit_code_and_tells_people_on_standard_error(
    aem: Aem, who: str, command: Sequence[str], code: int, reason: str
) -> None:
    told = aem(who, *command)
    assert (told.code, told.out) == (code, ""), told.err
    assert told.err.startswith("aem: ")
    assert "Traceback" not in told.err
    ended = aem(who, *command, "--json")
    assert ended.code == code
    assert ended.json()["exit_code"] == code
    assert reason == "x" or ended.json()["reason"] == reason


def test_a_poor_wallet_is_told_what_it_lacks(aem: Aem) -> None:
    ended = aem("poor", "submit", GOOD, "--gold", "sha256:0", "--max-price", "150", "--json")
    assert (ended.json()["balance_utok"], ended.json()["threshold_utok"]) == (0, 100_000_000)


def test_a_service_that_is_not_there_is_told(aem: Aem) -> None:
    ended = aem("agent", "status", "--json", url="http://127.0.0.1:9")
    assert (ended.code, ended.json()["reason"]) == (8, "unreachable")
    assert "aem serve" in ended.err


@pytest.mark.parametrize(
    "command",
    [
        "fly",
        "submit",
        f"submit {GOOD} --gold x --max-price much",
        f"submit {GOOD} --gold x --max-price 1.0000001",
        f"submit {GOOD} --gold x --max-price 150 --metric rate",
        "submit /nowhere --gold x --max-price 1",
        f"promote {ARTIFACT} {ARTIFACT}@99 --reason x",
        "rollback acme/x",
        "keys create --role king",
        "budget set acme --daily -1",
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    aem: Aem, orders: dict[str, Any], command: str
) -> None:
    ended = aem("agent", *command.split())
    assert (ended.code, ended.out) == (2, "")
    assert "Error" in ended.err


def test_a_typo_in_a_dataset_is_shown_with_its_file_its_line_and_what_was_meant(
    aem: Aem, tmp_path: Path
) -> None:
    for path, content in files_of(GOLD):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content.replace(b'"type": "robustness", "group": "wrong-size"', TYPO)
        target.write_bytes(text)
    ended = aem("nobody", "gold", "lint", str(tmp_path))
    assert ended.code == 1
    assert "cases/robustness.jsonl:2: error:" in ended.out
    assert "did you mean 'robustness'?" in ended.out
    findings = aem("nobody", "gold", "lint", str(tmp_path), "--json").json()["findings"]
    assert ("cases/robustness.jsonl", 2) in {(f["path"], f["line"]) for f in findings}
    assert aem("team", "gold", "freeze", str(tmp_path)).code == 7


TYPO = b'"type": "robustnes", "group": "wrong-size"'
