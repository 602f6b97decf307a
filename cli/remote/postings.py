"""``aem ledger post``: an operator's own transfers."""

import json
from typing import Any, BinaryIO

import click

from cli.output import ExitCode, fail, json_option, print_json, print_table
from cli.remote.connection import connect, remote
from cli.remote.listings import amount_text


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--independent", is_flag=True, help="Each command stands or falls by itself.")
@click.option("--key", help="Idempotency key: the same key and file post once.")
@json_option
@remote
def post(file: BinaryIO, key: str | None, *, independent: bool, as_json: bool) -> None:
    """Post the commands of FILE (- is standard input), one JSON object a line.

    A line is a move, hold, post, void or reverse; with "is_linked": true it stands or falls with
    the next one.
    """
    commands = _commands(file, as_json=as_json)
    with connect() as client:
        found = client.post_transfers(commands, is_atomic=not independent, idempotency_key=key)
    if as_json:
        print_json(found)
    else:
        rows = [_row(number, outcome) for number, outcome in enumerate(found["outcomes"], start=1)]
        title = "Posted before" if found["is_replay"] else "Posted"
        print_table(title, (">line", "transfer", "phase", ">amount", "from -> to"), rows)
    if any(outcome["rejection"] for outcome in found["outcomes"]):
        raise SystemExit(ExitCode.FAILED)


def _commands(file: BinaryIO, *, as_json: bool) -> list[dict[str, Any]]:
    commands = []
    for number, line in enumerate(file, start=1):
        try:
            command = json.loads(line)
        except ValueError:
            command = None
        if not isinstance(command, dict):
            fail(
                f"line {number} of {file.name} is no JSON object",
                ExitCode.BAD_INPUT,
                as_json=as_json,
                line=number,
            )
        commands.append(command)
    return commands


def _row(number: int, outcome: dict[str, Any]) -> tuple[Any, ...]:
    transfer = outcome["transfer"]
    if transfer is None:
        return (number, f"refused: {outcome['rejection']}", "", "", "")
    return (
        number,
        transfer["id"],
        transfer["phase"],
        amount_text(transfer["amount"], transfer["currency"]),
        f"{transfer['debit']} -> {transfer['credit']}",
    )
