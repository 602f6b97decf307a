"""``aem audit`` against a service on loopback, and against nothing but files."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    Checkpoint,
    Envelope,
    KeyPurpose,
    sign_envelope,
)
from cli.main import cli
from cli.output import ExitCode
from core.signing import KeyFileSigner
from tests.fakes.running_service import RunningService, running, settings

DEAD_URL = "http://127.0.0.1:9"


class Aem:
    """Runs commands in this process, as whoever has a key."""

    def __init__(self, service: RunningService, folder: Path) -> None:
        self.service = service
        self.folder = folder

    def run(self, *arguments: str, role: str = "auditor", agent: str = "") -> Result:
        names = {"namespace": "acme"} if role in ("team", "agent") else {}
        secret = self.service.secret(role, names.get("namespace", ""), agent)
        env = {"AEM_URL": self.service.url, "AEM_API_KEY": secret}
        return CliRunner().invoke(cli, ["audit", *arguments], env=env)

    def offline(self, *arguments: str) -> Result:
        """Run where there is no service and no key."""
        env = {"AEM_URL": DEAD_URL, "AEM_API_KEY": ""}
        return CliRunner().invoke(cli, ["audit", *arguments], env=env)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def transfer(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.operator.transfers(account="wallet:acme.bot")
        return dict(found["items"][0])


@pytest.fixture(scope="module")
def aem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aem]:
    folder = tmp_path_factory.mktemp("audit")
    with running(settings(folder / "data")) as service:
        service.fund()
        yield Aem(service, folder)


def test_an_export_is_verified_where_there_is_no_service(aem: Aem) -> None:
    kept = aem.run("checkpoint", "-o", aem.path("kept.json"))
    assert kept.exit_code == 0, kept.output
    written = aem.run("export", aem.path("ledger.gz"), "--json")
    assert written.exit_code == 0, written.output
    told = json.loads(written.output)
    assert told == {
        "file": aem.path("ledger.gz"),
        "bytes": (aem.folder / "ledger.gz").stat().st_size,
    }
    assert not list(aem.folder.glob("*.part"))
    report = aem.offline(
        "verify", aem.path("ledger.gz"), "--checkpoint", aem.path("kept.json"), "--json"
    )
    assert report.exit_code == 0, report.output
    found = json.loads(report.output)
    assert found["verified"] is True
    assert {name for name, part in found["statements"].items() if part["holds"]} == {
        *("log", "balances", "identity", "fiat", "receipts")
    }
    shown = aem.offline("verify", aem.path("ledger.gz"))
    assert "cannot exclude that whoever holds the checkpoint key" in shown.output
    assert shown.output.rstrip().endswith("verified")


def test_a_changed_export_names_the_record_and_ends_with_9(aem: Aem) -> None:
    aem.run("export", aem.path("honest.gz"))
    lines = gzip.decompress((aem.folder / "honest.gz").read_bytes()).replace(
        b'"kind":"allocation"', b'"kind":"donation"'
    )
    (aem.folder / "forged.gz").write_bytes(gzip.compress(lines))
    ended = aem.offline("verify", aem.path("forged.gz"))
    assert ended.exit_code == ExitCode.NOT_VERIFIED
    assert f"first bad: transfer {aem.transfer()['id']} (record" in ended.output
    assert "NOT VERIFIED" in ended.output


def test_a_part_of_the_log_is_exported(aem: Aem) -> None:
    ended = aem.run("export", aem.path("part.gz"), "--from", "1", "--to", "3")
    assert ended.exit_code == 0, ended.output
    ended = aem.offline("verify", aem.path("part.gz"), "--json")
    assert ended.exit_code == ExitCode.PARTLY_VERIFIED
    report = json.loads(ended.output)
    assert report["verified"] is None
    assert {name: found["holds"] for name, found in report["statements"].items()} == {
        "log": True,
        **dict.fromkeys(("balances", "identity", "fiat", "receipts")),
    }
    shown = aem.offline("verify", aem.path("part.gz"))
    assert shown.exit_code == ExitCode.PARTLY_VERIFIED
    assert "balances   not checked: the file does not have the whole ledger\n" in shown.output
    assert "\nPARTLY VERIFIED: " in shown.output
    beyond = aem.run("export", aem.path("beyond.gz"), "--from", "1", "--to", "100000")
    assert beyond.exit_code == ExitCode.BAD_INPUT
    assert not (aem.folder / "beyond.gz").exists()


def test_a_file_that_is_cut_short_holds_nothing(aem: Aem) -> None:
    aem.run("export", aem.path("whole.gz"))
    data = (aem.folder / "whole.gz").read_bytes()
    (aem.folder / "cut.gz").write_bytes(data[: len(data) // 2])
    ended = aem.offline("verify", aem.path("cut.gz"))
    assert ended.exit_code == ExitCode.NOT_VERIFIED
    assert " holds: " not in ended.output
    assert ended.output.count("not checked: the file does not have the whole ledger") == 4
    told = json.loads(aem.offline("verify", aem.path("cut.gz"), "--json").output)
    assert told["verified"] is False
    assert [found["holds"] for found in told["statements"].values()] == [False, *[None] * 4]


def test_the_running_service_is_held_against_what_was_kept(aem: Aem) -> None:
    aem.run("checkpoint", "-o", aem.path("live.json"))
    assert "only a checkpoint kept elsewhere" in aem.run("verify").output
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="after it"
    )
    aem.run("checkpoint")
    live = aem.run("verify", "--checkpoint", aem.path("live.json"))
    assert live.exit_code == 0, live.output
    aem.run("export", aem.path("live.gz"))
    offline = aem.offline("verify", aem.path("live.gz"), "--checkpoint", aem.path("live.json"))
    told = [
        [line for line in shown.output.splitlines() if "what follows record" in line]
        for shown in (live, offline)
    ]
    assert told[0] == told[1] != []


def test_the_running_service_is_caught_by_a_checkpoint_that_it_does_not_fit(aem: Aem) -> None:
    signer = aem.service.built.parts.signer
    with aem.service.parts.database.reading() as session:
        honest = Checkpoint.from_payload(aem.service.parts.checkpoints.latest(session).payload)
    other = replace(honest, root=b"r" * 32)
    forged = sign_envelope(
        payload_type=CHECKPOINT_PAYLOAD_TYPE,
        payload=other.to_payload(),
        sign=partial(signer.sign, KeyPurpose.CHECKPOINT),
    )
    (aem.folder / "other.json").write_text(json.dumps(forged.to_json()))
    ended = aem.run("verify", "--checkpoint", aem.path("other.json"), "--json")
    assert ended.exit_code == ExitCode.NOT_VERIFIED
    report = json.loads(ended.output)
    assert (report["first_bad"]["id"], report["statements"]["log"]["holds"]) == ("outside", False)
    (alert,) = [
        found
        for found in aem.service.operator.alerts()["items"]
        if found["kind"] == "audit_failed"
    ]
    assert alert["text"].startswith("the audit failed: log does not hold; first bad: checkpoint")
    headers = {"Authorization": f"Bearer {aem.service.secret('auditor')}"}
    for text in ("{}", "x", json.dumps(forged.to_json() | {"payload": "AAAA"})):
        refused = httpx.get(
            f"{aem.service.url}/api/v1/audit/verify", params={"checkpoint": text}, headers=headers
        )
        assert (refused.status_code, refused.json()["reason"]) == (400, "bad_checkpoint")


def test_a_receipt_is_proven_fetched_and_verified_offline(aem: Aem) -> None:
    transfer = aem.transfer()
    ended = aem.run("prove", transfer["id"], "-o", aem.path("receipt.json"))
    assert ended.exit_code == 0, ended.output
    report = json.loads(aem.offline("verify", aem.path("receipt.json"), "--json").output)
    assert report["verified"] is True
    assert (report["record"]["id"], report["record"]["amount"]) == (
        transfer["id"],
        transfer["amount"],
    )
    data = (aem.folder / "receipt.json").read_bytes()
    (aem.folder / "forged.json").write_bytes(data.replace(b"allocation", b"alloc4tion"))
    forged = aem.offline("verify", aem.path("forged.json"))
    assert forged.exit_code == ExitCode.NOT_VERIFIED
    assert "does not lead to the root" in forged.output


def test_a_receipt_is_evidence_against_a_later_export(aem: Aem) -> None:
    aem.run("prove", aem.transfer()["id"], "-o", aem.path("held.json"))
    aem.run("export", aem.path("later.gz"))
    ended = aem.offline(
        "verify", aem.path("later.gz"), "--checkpoint", aem.path("held.json"), "--json"
    )
    assert json.loads(ended.output)["verified"] is True
    assert "rewrote the whole log" not in ended.output


def test_the_log_is_proven_to_have_only_grown(aem: Aem) -> None:
    aem.run("checkpoint", "-o", aem.path("before.json"))
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="grow"
    )
    ended = aem.run("prove", "--from", aem.path("before.json"), "-o", aem.path("grown.json"))
    assert ended.exit_code == 0, ended.output
    report = aem.offline(
        "verify", aem.path("grown.json"), "--checkpoint", aem.path("before.json"), "--json"
    )
    old, new = json.loads(report.output)["checkpoints"]
    assert old < new
    sizes = aem.run("prove", "--from", str(old), "--to", str(new))
    assert sizes.output.strip().encode() == (aem.folder / "grown.json").read_bytes()
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="grow more"
    )
    aem.run("checkpoint", "-o", aem.path("after.json"))
    other = aem.offline(
        "verify", aem.path("grown.json"), "--checkpoint", aem.path("after.json"), "--json"
    )
    assert other.exit_code == ExitCode.PARTLY_VERIFIED
    assert json.loads(other.stdout)["verified"] is None


def test_a_proof_from_the_later_checkpoint_to_the_earlier_is_bad_input(
    aem: Aem, caplog: pytest.LogCaptureFixture
) -> None:
    aem.run("checkpoint", "-o", aem.path("smaller.json"))
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="between"
    )
    aem.run("checkpoint", "-o", aem.path("greater.json"))
    swapped = aem.run(
        "prove", "--from", aem.path("greater.json"), "--to", aem.path("smaller.json")
    )
    assert swapped.exit_code == ExitCode.BAD_INPUT
    assert "--from must be the smaller" in swapped.output
    assert not [entry for entry in caplog.records if entry.levelname == "ERROR"]


def test_a_receipt_and_a_later_checkpoint_are_connected_by_a_proof(aem: Aem) -> None:
    receipt, kept, joint = (aem.path(f"{name}.json") for name in ("old", "new", "joint"))
    aem.run("prove", aem.transfer()["id"], "-o", receipt)
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="later"
    )
    aem.run("checkpoint", "-o", kept)
    told = aem.offline("verify", receipt, "--checkpoint", kept)
    assert told.exit_code == ExitCode.PARTLY_VERIFIED
    assert "the sizes differ, so nothing is shown yet" in told.output
    assert f"aem audit prove --from {receipt} --to {kept} -o " in told.output
    fetched = aem.run("prove", "--from", receipt, "--to", kept, "-o", joint)
    assert fetched.exit_code == 0, fetched.output
    for arguments in (
        ("verify", joint, "--checkpoint", receipt, "--checkpoint", kept),
        ("verify", receipt, "--checkpoint", joint),
    ):
        assert aem.offline(*arguments).exit_code == 0
    forged = json.loads((aem.folder / "old.json").read_bytes())["checkpoint"]
    of_it = Checkpoint.from_payload(Envelope.from_json(forged).payload)
    other = replace(of_it, root=b"r" * 32)
    signed = sign_envelope(
        payload_type=CHECKPOINT_PAYLOAD_TYPE,
        payload=other.to_payload(),
        sign=partial(aem.service.built.parts.signer.sign, KeyPurpose.CHECKPOINT),
    )
    (aem.folder / "contrary.json").write_text(json.dumps(signed.to_json()))
    contrary = aem.offline("verify", receipt, "--checkpoint", aem.path("contrary.json"))
    assert contrary.exit_code == ExitCode.NOT_VERIFIED
    assert "another root" in contrary.output


def test_checkpoints_are_listed_a_page_at_a_time(aem: Aem) -> None:
    aem.run("checkpoint")
    first = json.loads(aem.run("checkpoints", "--limit", "1", "--json").output)
    assert len(first["items"]) == 1
    rest = json.loads(aem.run("checkpoints", "--cursor", first["next_cursor"], "--json").output)
    found = [*first["items"], *rest["items"]]
    sizes = [Checkpoint.from_payload(Envelope.from_json(item).payload).size for item in found]
    assert sizes == sorted(set(sizes))
    assert str(sizes[0]) in aem.run("checkpoints").output
    refused = aem.run("checkpoints", "--cursor", "x")
    assert refused.exit_code == ExitCode.BAD_INPUT


def test_a_pinned_trust_root_is_held_against_the_file(aem: Aem) -> None:
    aem.run("export", aem.path("pinned.gz"))
    own = aem.service.operator.trust().to_json()
    (aem.folder / "own.json").write_text(json.dumps(own))
    right = aem.offline("verify", aem.path("pinned.gz"), "--trust", aem.path("own.json"), "--json")
    assert json.loads(right.output)["verified"] is True
    assert "those that the file itself names" not in right.output
    stranger = KeyFileSigner(aem.folder / "stranger")
    stranger.create_missing()
    (aem.folder / "other.json").write_text(json.dumps(stranger.trust().to_json()))
    wrong = aem.offline("verify", aem.path("pinned.gz"), "--trust", aem.path("other.json"))
    assert wrong.exit_code == ExitCode.NOT_VERIFIED


def test_who_may_see_what(aem: Aem) -> None:
    transfer = aem.transfer()["id"]
    for role, agent in (("team", ""), ("agent", "bot")):
        assert aem.run("prove", transfer, role=role, agent=agent).exit_code == 0
        assert aem.run("export", aem.path("no.gz"), role=role, agent=agent).exit_code == (
            ExitCode.NOT_ALLOWED
        )
        assert aem.run("checkpoint", role=role, agent=agent).exit_code == ExitCode.NOT_ALLOWED
    assert aem.run("prove", transfer, role="agent", agent="other").exit_code == ExitCode.NOT_FOUND
    assert aem.run("prove", "tra_unknown").exit_code == ExitCode.NOT_FOUND
    assert aem.run("prove", "--from", "999999999").exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify", "--trust", "{own}"), ExitCode.USAGE),
        (("verify", "--checkpoint", "{own}"), ExitCode.BAD_INPUT),
        (("verify", "{missing}"), ExitCode.USAGE),
        (("verify", "{text}"), ExitCode.BAD_INPUT),
        (("prove",), ExitCode.USAGE),
        (("prove", "tra_1", "--from", "3"), ExitCode.USAGE),
        (("prove", "--from", "no-such-file"), ExitCode.USAGE),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(
    aem: Aem, arguments: tuple[str, ...], code: ExitCode
) -> None:
    (aem.folder / "text.txt").write_text("neither")
    (aem.folder / "own.json").write_text("{}")
    names = {
        "own": aem.path("own.json"),
        "missing": aem.path("missing"),
        "text": aem.path("text.txt"),
    }
    ended = aem.run(*(argument.format(**names) for argument in arguments))
    assert ended.exit_code == code, ended.output


def test_a_rotation_is_followed_by_the_running_service(aem: Aem) -> None:
    keys = aem.service.built.parts.signer
    assert isinstance(keys, KeyFileSigner)
    folder = str(keys._folder)
    before = aem.service.operator.trust()
    ended = CliRunner().invoke(cli, ["keys", "rotate", "checkpoint", "--keys", folder, "--json"])
    assert ended.exit_code == 0, ended.output
    key_id = json.loads(ended.output)["key_id"]
    assert aem.service.operator.trust() != before
    aem.service.operator.allocate(
        "acme", to="wallet:acme.bot", amount_utok=1_000_000, reason="after"
    )
    aem.run("checkpoint", "-o", aem.path("rotated.json"))
    signed = json.loads((aem.folder / "rotated.json").read_bytes())
    assert [signature["keyid"] for signature in signed["signatures"]] == [key_id]
    assert json.loads(aem.run("verify", "--json").output)["verified"] is True
    aem.run("export", aem.path("rotated.gz"))
    (aem.folder / "before.trust").write_text(json.dumps(before.to_json()))
    ended = aem.offline(
        "verify", aem.path("rotated.gz"), "--trust", aem.path("before.trust"), "--json"
    )
    assert json.loads(ended.output)["verified"] is True
    wrong = CliRunner().invoke(cli, ["keys", "rotate", "root", "--keys", folder])
    assert wrong.exit_code == ExitCode.USAGE
