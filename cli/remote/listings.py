"""Transfers and amounts as commands print them, and the options of every listing."""

from typing import Any

import click

from cli.output import (
    print_table,
    say,
    tokens,
    usd,
)

LIST_ROWS = 50
limit_option = click.option("--limit", default=LIST_ROWS, show_default=True, help="Rows at most.")
cursor_option = click.option("--cursor", help="Continue a listing where it ended.")


def print_transfers(title: str, transfers: list[dict[str, Any]], account: str | None) -> None:
    """Print transfers; those that an account pays with a minus."""
    rows = [
        (
            _named(transfer),
            transfer["at"],
            transfer["kind"],
            transfer["phase"],
            _signed(transfer, account),
            f"{transfer['debit']} -> {transfer['credit']}",
            transfer["memo"] or transfer["reference"],
        )
        for transfer in transfers
    ]
    columns = ("transfer", "at", "kind", "phase", ">amount", "from -> to", "about")
    print_table(title, columns, rows)


def _named(transfer: dict[str, Any]) -> str:
    """Name a transfer, which of a hold is the hold's name too, and the hold that it settles."""
    hold_id = transfer["hold_id"]
    return f"{transfer['id']} of {hold_id}" if hold_id else str(transfer["id"])


def _signed(transfer: dict[str, Any], account: str | None) -> str:
    sign = "-" if account is not None and transfer["debit"] == account else ""
    return sign + amount_text(transfer["amount"], transfer["currency"])


def amount_text(amount: int, currency: str) -> str:
    """Write an amount with its unit."""
    return f"{tokens(amount)} tok" if currency == "utok" else f"{usd(amount)} USD"


def print_cursor(found: dict[str, Any]) -> None:
    """Say how to read on."""
    if found["next_cursor"]:
        say(f"\nmore: --cursor {found['next_cursor']}")


def audit_result(run: dict[str, Any]) -> str:
    """Say what an audit found that the service carried out by itself."""
    if run["ended_at"] is None:
        return "not at its end"
    if run["verified"] is None:
        return "the log holds"
    if run["verified"]:
        return "verified"
    bad = run["first_bad"]
    return f"NOT VERIFIED: {bad['record']} {bad['id']}: {bad['why']}"
