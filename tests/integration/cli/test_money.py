"""Commands about money, against a service on loopback: what they refuse, and how they say so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
