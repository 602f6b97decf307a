"""``aem ledger post``: an operator's own transfers."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import click

from aem.client import ApiError
from aem.proof.errors import MalformedError
from aem.proof.payload import parse_json
from cli.output import ExitCode, fail, json_option, print_json, print_table, tokens
from cli.remote.connection import connect, key_option, remote
from cli.remote.listings import amount_text

_PLACE = re.compile(r"body\.commands\.(?P<number>[0-9]+)(?:\.(?P<path>.+))?")


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--independent", is_flag=True, help="Each command stands or falls by itself.")
@key_option
@json_option
@remote
def post(file: BinaryIO, key: str | None, *, independent: bool, as_json: bool) -> None:
    """Post the commands of FILE (- is standard input), one JSON object a line.

    A line is a move, hold, post, void or reverse; with "is_linked": true it stands or falls with
    the next one.
    """
    commands = _commands(file, as_json=as_json)
    with connect() as client, _lines_named(file.name, commands):
        found = client.post_transfers(commands, is_atomic=not independent, idempotency_key=key)
    if as_json:
        print_json(found)
    else:
        rows = [_row(number, outcome) for number, outcome in enumerate(found["outcomes"], start=1)]
        print_table(_title(found), (">line", "transfer", "phase", ">amount", "from -> to"), rows)
    if any(outcome["rejection"] for outcome in found["outcomes"]):
        raise SystemExit(ExitCode.FAILED)


def _commands(file: BinaryIO, *, as_json: bool) -> list[dict[str, Any]]:
    commands = []
    for number, line in enumerate(file, start=1):
        try:
            command = parse_json(line)
            json.dumps(command, allow_nan=False, ensure_ascii=False).encode()  # as it is sent
        except (MalformedError, ValueError) as error:
            told = f"line {number} of {file.name} cannot be sent: {error}"
            fail(told, ExitCode.BAD_INPUT, as_json=as_json, line=number)
        if not isinstance(command, dict):
            told = f"line {number} of {file.name} is no JSON object"
            fail(told, ExitCode.BAD_INPUT, as_json=as_json, line=number)
        commands.append(command)
    return commands


@contextmanager
def _lines_named(name: str, commands: list[dict[str, Any]]) -> Iterator[None]:
    """Name the line and member of the file that the service found wrong in what it was sent."""
    try:
        yield
    except ApiError as error:
        wrong: dict[str, str] = next(iter(error.details.get("errors", ())), {})
        place = _PLACE.fullmatch(wrong.get("place", ""))
        if place is None:
            raise
        number = int(place["number"])
        path = (place["path"] or "").removeprefix(f"{commands[number].get('command')}")
        told = f"line {number + 1} of {name}: {path.lstrip('.') or 'command'}: {wrong['message']}"
        raise ApiError(
            status=error.status,
            reason=error.reason,
            detail=told,
            details={**error.details, "line": number + 1},
        ) from error


def _title(found: dict[str, Any]) -> str:
    refused = [outcome["rejection"] is not None for outcome in found["outcomes"]]
    title = (
        "Nothing was posted" if all(refused) else "Posted in part" if any(refused) else "Posted"
    )
    return f"{title}: the answer of before" if found["is_replay"] else title


def _row(number: int, outcome: dict[str, Any]) -> tuple[Any, ...]:
    transfer = outcome["transfer"]
    if transfer is None:
        payer = outcome["payer"]
        has = f"{payer['account']} has {tokens(payer['available_utok'])} tok" if payer else ""
        return (number, f"refused: {outcome['rejection']}", "", "", has)
    return (
        number,
        transfer["id"],
        transfer["phase"],
        amount_text(transfer["amount"], transfer["currency"]),
        f"{transfer['debit']} -> {transfer['credit']}",
    )
