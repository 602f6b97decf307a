"""Commands about money, against a service on loopback: what they refuse, and how they say so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from cli.output import ExitCode
from tests.fakes.running_service import RunningService, running, settings


class Aem:
    """Runs commands in this process, as whoever has a key."""

    def __init__(self, service: RunningService, folder: Path) -> None:
        self.service = service
        self.folder = folder

    def run(self, *arguments: str, role: str = "operator", agent: str = "") -> Result:
        namespace = "acme" if role in ("team", "agent") else ""
        secret = self.service.secret(role, namespace, agent)
        env = {"AEM_URL": self.service.url, "AEM_API_KEY": secret}
        return CliRunner().invoke(cli, arguments, env=env)

    def post(self, *commands: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
        path = self.folder / "commands.jsonl"
        path.write_text("".join(f"{json.dumps(command)}\n" for command in commands))
        return self.run("ledger", "post", str(path), *options)


@pytest.fixture(scope="module")
def aem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aem]:
    folder = tmp_path_factory.mktemp("money")
    with running(settings(folder / "data")) as service:
        service.fund()
        yield Aem(service, folder)


def move(amount_utok: Any, **more: Any) -> dict[str, Any]:
    return {
        "command": "move",
        "debit": "wallet:acme.bot",
        "credit": "wallet:acme",
        "amount_utok": amount_utok,
        "memo": "a test",
    } | more


TOO_MUCH = 10**15


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_a_key_without_a_wallet_is_asked_for_a_name(aem: Aem, role: str) -> None:
    ended = aem.run("wallet", role=role)
    assert ended.exit_code == ExitCode.USAGE
    assert "this key has no wallet: name one" in ended.output
    assert aem.run("wallet", "acme.bot", role=role).exit_code == 0


def test_a_wallet_that_never_was_is_refused_but_for_the_key_s_own(aem: Aem) -> None:
    refused = aem.run("wallet", "acme.bott", "--json")
    assert refused.exit_code == ExitCode.NOT_FOUND
    told = json.loads(refused.stdout)
    assert (told["reason"], told["close_matches"]) == ("account_not_found", ["wallet:acme.bot"])
    of_team = json.loads(aem.run("wallet", "acme.bott", "--json", role="team").stdout)
    assert of_team["reason"] == "wallet_not_found"
    assert "close_matches" not in of_team
    own = aem.run("wallet", "--json", role="agent", agent="new")
    assert json.loads(own.stdout)["balance_utok"] == 0


def test_a_refused_post_says_so_and_who_has_too_little(aem: Aem) -> None:
    has = aem.service.balance("wallet:acme.bot")
    ended = aem.post(move(1), move(TOO_MUCH))
    assert ended.exit_code == ExitCode.FAILED
    assert "Nothing was posted" in ended.output
    assert f"wallet:acme.bot has {has / 10**6:g} tok" in ended.output
    mixed = aem.post(move(1), move(TOO_MUCH), options=("--independent", "--key", "mixed"))
    assert "Posted in part\n" in mixed.output
    again = aem.post(move(1), move(TOO_MUCH), options=("--independent", "--key", "mixed"))
    assert "Posted in part: the answer of before" in again.output
    whole = aem.post(move(1))
    assert whole.exit_code == 0
    assert whole.output.startswith("Posted\n")


def test_who_cannot_give_back_a_reversed_transfer_is_named(aem: Aem) -> None:
    def outcomes(*commands: dict[str, Any]) -> list[dict[str, Any]]:
        found: dict[str, Any] = aem.service.operator.post_transfers(commands)
        return list(found["outcomes"])

    (given,) = outcomes(move(5, credit="wallet:acme.spender"))
    outcomes(move(2, debit="wallet:acme.spender"))
    back = {"command": "reverse", "transfer_id": given["transfer"]["id"], "memo": "back"}
    (refused,) = outcomes(back)
    assert refused["payer"] == {"account": "wallet:acme.spender", "available_utok": 3}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (move(-5), ": amount_utok: "),
        (move(5, colour="red"), ": colour: "),
        ({"command": "steal"}, ": command: "),
    ],
    ids=["amount", "member", "command"],
)
def test_what_is_wrong_in_a_file_is_named_by_its_line(
    aem: Aem, wrong: dict[str, Any], words: str
) -> None:
    ended = aem.post(move(1), wrong)
    assert ended.exit_code == ExitCode.BAD_INPUT
    assert f"aem: line 2 of {aem.folder / 'commands.jsonl'}{words}" in ended.output
    assert "body.commands" not in ended.output


@pytest.mark.parametrize(
    "line",
    [
        '{"command": "move", "amount_utok": 5, "amount_utok": 500}',
        '{"command": "move", "amount_utok": NaN}',
        '{"command": "move", "amount_utok": 1e400}',
        '{"command": "move", "memo": "\\ud800"}',
        "[]",
        "{",
    ],
)
def test_a_line_that_can_be_read_in_two_ways_or_none_is_named(aem: Aem, line: str) -> None:
    path = aem.folder / "bad.jsonl"
    path.write_text(f"{json.dumps(move(1))}\n{line}\n")
    ended = aem.run("ledger", "post", str(path))
    assert ended.exit_code == ExitCode.BAD_INPUT
    assert f"aem: line 2 of {path} " in ended.output


@pytest.mark.parametrize("wrong", [move(1, memo="a\0b"), move(1, kind="fee")])
def test_what_the_ledger_itself_refuses_is_named_by_its_line_too(
    aem: Aem, wrong: dict[str, Any]
) -> None:
    ended = aem.post(move(1), wrong)
    assert ended.exit_code == ExitCode.BAD_INPUT
    assert f"aem: line 2 of {aem.folder / 'commands.jsonl'}: " in ended.output


def test_a_body_that_names_a_member_twice_is_refused(aem: Aem) -> None:
    before = aem.service.balance("wallet:acme")
    named, twice = '"amount_utok": 1', '"amount_utok": 1, "amount_utok": 2'
    body = json.dumps({"commands": [move(1)]}).replace(named, twice)
    answer = httpx.post(
        f"{aem.service.url}/api/v1/ledger/transfers",
        content=body,
        headers={
            "Authorization": f"Bearer {aem.service.secret('operator')}",
            "Idempotency-Key": "twice",
            "Content-Type": "application/json",
        },
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request")
    assert "amount_utok" in answer.json()["detail"]
    assert aem.service.balance("wallet:acme") == before


@pytest.mark.parametrize("key", ["", " ", "Zürich-7"])
def test_a_key_that_is_none_posts_nothing(aem: Aem, key: str) -> None:
    before = aem.service.balance("wallet:acme")
    ended = aem.post(move(1), options=("--key", key))
    assert ended.exit_code == ExitCode.USAGE
    assert "an idempotency key is" in ended.output
    assert aem.service.balance("wallet:acme") == before


def test_an_allocation_with_a_key_is_made_once(aem: Aem) -> None:
    before = aem.service.balance("wallet:acme")
    for _ in range(2):
        ended = aem.run(
            *("budget", "allocate", "acme", "wallet:acme", "3"),
            *("--reason", "x", "--key", "once"),
        )
        assert ended.exit_code == 0, ended.output
    assert aem.service.balance("wallet:acme") == before + 3_000_000


def test_nobody_allocates_to_a_pool_of_no_budget(aem: Aem) -> None:
    ended = aem.run("budget", "allocate", "acme", "reward-pool:nosuch", "1", "--reason", "x")
    assert ended.exit_code == ExitCode.NOT_FOUND


def test_what_was_only_refused_is_no_account(aem: Aem) -> None:
    assert aem.post(move(1, debit="wallet:nosuch")).exit_code == ExitCode.FAILED
    assert "wallet:nosuch" not in aem.run("ledger", "accounts").output
    assert aem.run("ledger", "statement", "wallet:nosuch").exit_code == ExitCode.NOT_FOUND


def test_prefixes_are_of_their_case(aem: Aem) -> None:
    assert aem.post(move(1, credit="wallet:ACME")).exit_code == 0
    listed = aem.run("ledger", "balances", "--prefix", "wallet:acme").output
    assert "wallet:acme" in listed
    assert "wallet:ACME" not in listed


def test_a_receipt_that_vouches_for_itself_is_said_to(aem: Aem) -> None:
    moved = json.loads(aem.post(move(1), options=("--json",)).stdout)
    name, file = moved["outcomes"][0]["transfer"]["id"], str(aem.folder / "receipt.json")
    assert aem.run("audit", "prove", name, "-o", file).exit_code == 0
    assert "(--trust pins them)" in aem.run("audit", "verify", file).output
    trust = str(aem.folder / "pinned.json")
    assert aem.run("audit", "trust", "-o", trust).exit_code == 0
    assert "(--trust pins them)" not in aem.run("audit", "verify", file, "--trust", trust).output


def test_a_treasury_that_does_not_cover_an_allocation_is_named(aem: Aem) -> None:
    has = aem.service.balance("treasury:acme")
    ended = aem.run("budget", "allocate", "acme", "wallet:acme", "9999999", "--reason", "x")
    assert ended.exit_code == ExitCode.PAYMENT_REQUIRED
    told = f"treasury:acme has {has / 10**6:g} tokens, which does not cover 9999999\n"
    assert told in ended.output


def test_tables_show_the_names_of_transfers_and_what_is_held(aem: Aem) -> None:
    operator = aem.service.operator
    hold = move(7_000_000, command="hold", credit="bond:case-9")
    hold_id = operator.post_transfers([hold])["outcomes"][0]["transfer"]["id"]
    for listing in ("accounts", "balances"):
        listed = aem.run("ledger", listing).output
        (line,) = [line for line in listed.splitlines() if "wallet:acme.bot " in line]
        assert line.endswith("7 tok"), listed
    past = aem.run("ledger", "balances", "--at", "2100-01-01").output
    assert "held" not in past
    post = {"command": "post", "hold_id": hold_id}
    posted_id = operator.post_transfers([post])["outcomes"][0]["transfer"]["id"]
    for command in (("transfers",), ("statement", "wallet:acme.bot")):
        listed = " ".join(aem.run("ledger", *command).output.split())
        assert f"{posted_id} of" in listed
        assert hold_id in listed


def test_the_trust_root_is_fetched_and_pins_an_export(aem: Aem) -> None:
    trust, file = (str(aem.folder / name) for name in ("trust.json", "ledger.gz"))
    assert aem.run("audit", "trust", "-o", trust).exit_code == 0
    assert aem.run("audit", "export", file).exit_code == 0
    ended = aem.run("audit", "verify", file, "--trust", trust)
    assert ended.exit_code == 0, ended.output
    assert "(--trust pins them)" not in ended.output
