"""``aem demo``: the main job end to end, on a shipped example, against a real service."""

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from cli.local.demonstration import Demonstration, Narrator
from cli.local.embedded import EmbeddedService
from cli.local.example import Example
from cli.output import ExitCode, json_option, print_json
from cli.remote.connection import remote

SEARCH_S = 180
"""The search's share of the demo's five minutes, on a machine where its runs take longer."""


@click.command()
@click.option(
    "--sandbox",
    type=click.Choice(["auto", "docker", "bubblewrap"]),
    default="auto",
    show_default=True,
)
@json_option
@remote
def demo(sandbox: str, *, as_json: bool) -> None:
    """Run the main job end to end, on a real example, in a service of its own.

    Everything happens for real, in a temporary folder: budget, wallet, order, repair, sandbox,
    judge, version, hot swap under load, rollback, a rejected candidate, the audit.
    """
    started_s = time.monotonic()
    narrator = Narrator(is_quiet=as_json)
    with tempfile.TemporaryDirectory(prefix="aem-demo-") as folder:
        home = Path(folder)
        narrator.title("Preparing the example")
        example = Example.build(home / "example")
        narrator.say(
            f"An artifact that reads support chats; {example.summary}. Its gold dataset and"
            " traces were built here from public data."
        )
        with EmbeddedService(
            home / "service", sandbox=sandbox, synthesis_session_s=str(SEARCH_S)
        ) as service:
            for notice in service.notices:
                narrator.say(notice)
            result = Demonstration(
                service=service, example=example, home=home, narrator=narrator
            ).run()
    narrator.verdict(result, elapsed_s=time.monotonic() - started_s)
    if as_json:
        print_json(result)
    if not is_as_promised(result):
        raise click.exceptions.Exit(ExitCode.FAILED)


def is_as_promised(result: dict[str, Any]) -> bool:
    """Whether everything that the demonstration shows came out as it should."""
    phases = (result["swap"], result["rollback"])
    ledger = result["ledger"]
    return (
        result["accepted"]
        and all(axis["passed"] for axis in result["axes"].values())
        and all(phase["calls"] >= 100 for phase in phases)  # noqa: PLR2004 - what is promised
        and all(phase["failed"] == phase["mixed"] == 0 for phase in phases)
        and ledger["balances_rebuilt_equal"]
        and ledger["identity_holds"]
        and ledger["fiat_admitted_nusd"] <= ledger["fiat_budget_nusd"]
        and result["audit_verified"]
        and result["rejection"]["reason"] == "injected_falsehood"
    )
