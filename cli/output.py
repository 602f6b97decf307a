"""What commands print: JSON for machines, tables for people, and exit codes for both."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NoReturn

import click

from cli.tables import Column, lay_out


class ExitCode(IntEnum):
    """How a command ended; documented in docs/cli.md."""

    OK = 0
    FAILED = 1  # the command ran and its answer is no: an order rejected, a lint error
    USAGE = 2  # options or arguments are wrong
    NOT_ALLOWED = 3  # no key, an unknown one, or one that may not do this
    PAYMENT_REQUIRED = 4  # wallet, escrow or budget does not cover it
    NOT_FOUND = 5
    CONFLICT = 6  # the state of the thing forbids it
    BAD_INPUT = 7  # the service refused what was sent
    UNAVAILABLE = 8  # the service, or a part of it, does not answer
    NOT_VERIFIED = 9  # an audit found something
    PARTLY_VERIFIED = 10  # what an audit could check holds, and it could not check all
    INTERRUPTED = 130


_EXIT_BY_STATUS = {
    400: ExitCode.BAD_INPUT,
    401: ExitCode.NOT_ALLOWED,
    402: ExitCode.PAYMENT_REQUIRED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    413: ExitCode.BAD_INPUT,
    422: ExitCode.BAD_INPUT,
}

_SHORT_DIGEST = len("sha256:") + 12
_SHORT_INSTANT = len("2026-01-05T09:00:00")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z")

# What makes a terminal act instead of show: control characters, and the marks that turn the
# direction of text. A surrogate stands for a byte that is no UTF-8, and cannot be encoded.
_UNPRINTED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


def exit_code_of(status: int) -> ExitCode:
    """Return the exit code for an HTTP status that is no success."""
    return _EXIT_BY_STATUS.get(status, ExitCode.UNAVAILABLE)


def fail(message: str, code: ExitCode, *, as_json: bool = False, **details: Any) -> NoReturn:
    """Say what went wrong, on standard error, and end."""
    if as_json:
        print_json({"error": message, "exit_code": int(code), **details})
    say(f"aem: {message}", is_error=True)
    sys.exit(code)


def plain(text: str, *, keep: str = "\n\t") -> str:
    """Return `text` with what a terminal would obey, but for `keep`, spelled out."""

    def spell(found: re.Match[str]) -> str:
        return found[0] if found[0] in keep else ascii(found[0])[1:-1]

    return _UNPRINTED.sub(spell, text)


def say(text: str, *, is_error: bool = False) -> None:
    """Print text for people, whoever wrote it: nothing in it reaches the terminal as a command."""
    click.echo(plain(text), err=is_error)


def print_json(value: Any) -> None:
    """Print one JSON value; JSON's own escapes keep it from commanding a terminal."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)
    click.echo(
        _UNPRINTED.sub(
            lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text
        )
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table for people; columns named ``>name`` are numbers (see `cli.tables`)."""
    if not rows:
        say(f"{title}: none yet")
        return
    layout = lay_out(
        [
            Column(name=plain(name.removeprefix(">"), keep=""), is_number=name.startswith(">"))
            for name in columns
        ],
        [[plain(_short(_cell(value)), keep="") for value in row] for row in rows],
        _terminal_width(),
    )
    if title:
        click.secho(plain(title), italic=True)
    for line in layout.head or ():
        click.secho(line, bold=True)
    for line in layout.body:
        click.echo(line)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print named values, a line each, aligned."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        # Later lines are set in, so that no value can pass for a fact of its own.
        lines = _cell(value).replace("\n", "\n" + " " * (width + 2))
        say(f"{name.ljust(width)}  {lines}")


def tokens(utok: int | None) -> str:
    """Write micro-tokens as tokens: ``12.5``; nothing for None."""
    return "" if utok is None else _decimal(utok, 6)


def usd(nusd: int | None) -> str:
    """Write nano-dollars as US dollars: ``0.25``; nothing for None."""
    return "" if nusd is None else _decimal(nusd, 9)


def parse_amount(text: str, decimals: int) -> int:
    """Read a plain decimal number as an integer of its smallest unit.

    Raises:
        click.BadParameter: no such number, or finer than the unit.
    """
    whole, _, rest = text.partition(".")
    if not (whole.isascii() and whole.isdigit()) or (
        "." in text and not (rest.isascii() and rest.isdigit())
    ):
        raise click.BadParameter(f"{text!r} is no plain number such as 12.5")
    if len(rest) > decimals:
        raise click.BadParameter(f"{text!r} has more than {decimals} decimals")
    return int(whole + rest.ljust(decimals, "0"))


class Tokens(click.ParamType[int]):
    """An amount of tokens on the command line, in micro-tokens past it."""

    name = "tokens"

    def convert(self, value: Any, _param: Any, _ctx: Any) -> int:
        """Parse the text; a default is an integer already."""
        return value if isinstance(value, int) else parse_amount(value, 6)


class Usd(click.ParamType[int]):
    """An amount of US dollars on the command line, in nano-dollars past it."""

    name = "usd"

    def convert(self, value: Any, _param: Any, _ctx: Any) -> int:
        """Parse the text; a default is an integer already."""
        return value if isinstance(value, int) else parse_amount(value, 9)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _terminal_width() -> int | None:
    """Return how many cells a line has; None where no terminal breaks lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _short(text: str) -> str:
    """Cut digests and instants to what tells them apart, and say so; --json has them whole."""
    if text.startswith("sha256:") and len(text) > _SHORT_DIGEST:
        return f"{text[:_SHORT_DIGEST]}\u2026"
    return f"{text[:_SHORT_INSTANT]}Z" if _INSTANT.fullmatch(text) else text


def _decimal(amount: int, decimals: int) -> str:
    whole, rest = divmod(abs(amount), 10**decimals)
    text = f"{whole}.{rest:0{decimals}d}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text
