"""``aem ledger``: accounts, transfers and usage, and the reports that are made of them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from cli.output import (
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    tokens,
    usd,
)
from cli.remote.connection import connect, remote
from cli.remote.files import OutputFile, force_option, save
from cli.remote.listings import (
    amount_text,
    cursor_option,
    limit_option,
    print_cursor,
    print_transfers,
)
from cli.remote.postings import post
from cli.remote.reconciliations import list_reconciliations, reconcile, reconciliation

FORMATS = ("beancount", "hledger", "csv", "parquet")

start_option = click.option("--from", "start", help="From this day or instant on (UTC).")
end_option = click.option("--to", "end", help="Up to, without, this day or instant (UTC).")
first_day_option = click.option("--from", "start", help="From this day on, such as 2026-01-05.")
last_day_option = click.option("--to", "end", help="Up to, without, this day.")
at_option = click.option("--at", help="Before this day or instant (UTC); default now.")


@click.group()
def ledger() -> None:
    """Read the ledger, report on it, and post to it."""


ledger.add_command(post)
for command in (reconcile, list_reconciliations, reconciliation):
    ledger.add_command(command)


@ledger.command("accounts")
@limit_option
@cursor_option
@json_option
@remote
def list_accounts(limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List accounts with their balances."""
    with connect() as client:
        found = client.accounts(limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            account["code"],
            *(
                amount_text(account[part], account["currency"])
                for part in ("balance", "debits_held")
            ),
        )
        for account in found["items"]
    ]
    print_table("Accounts", ("account", ">balance", ">held"), rows)
    print_cursor(found)


@ledger.command("transfers")
@click.option("--account", help="Only those that touch this account.")
@click.option("--reference", help="Only those of this order.")
@limit_option
@cursor_option
@json_option
@remote
def list_transfers(
    account: str | None, reference: str | None, limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """List transfers in the order of the log."""
    with connect() as client:
        found = client.transfers(account=account, reference=reference, limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    print_transfers("Transfers", found["items"], account)
    print_cursor(found)


@ledger.command("usage")
@click.option("--owner", help="Only what this agent used.")
@click.option("--reference", help="Only what this order used.")
@limit_option
@cursor_option
@json_option
@remote
def list_usage(
    owner: str | None, reference: str | None, limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """List what was used: time, agent, resource, quantity, cost, quality, latency, status."""
    with connect() as client:
        found = client.usage(owner=owner, reference=reference, limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            record["at"],
            record["owner"],
            record["resource"],
            f"{record['quantity']} {record['unit']}",
            usd(record["cost_nusd"]),
            tokens(record["charge_utok"]),
            record["status"],
        )
        for record in found["items"]
    ]
    columns = ("at", "agent", "resource", ">quantity", ">USD", ">tokens", "status")
    print_table("Usage", columns, rows)
    print_cursor(found)


@ledger.command()
@click.argument("account")
@start_option
@end_option
@limit_option
@cursor_option
@json_option
@remote
def statement(
    account: str,
    start: str | None,
    end: str | None,
    limit: int,
    cursor: str | None,
    *,
    as_json: bool,
) -> None:
    """Show the statement of ACCOUNT over a period: opening and closing balance, and its lines."""
    with connect() as client:
        found = client.reports.statement(account, start=start, end=end, limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    unit = found["currency"]
    print_facts(
        {
            "account": found["account"],
            "from": found["start"],
            "to": found["end"],
            "opening balance": amount_text(found["opening"], unit),
            "debits": amount_text(found["debits"], unit),
            "credits": amount_text(found["credits"], unit),
            "closing balance": amount_text(found["closing"], unit),
        }
    )
    print_transfers("\nLines", found["lines"]["items"], account)
    print_cursor(found["lines"])


@ledger.command()
@at_option
@click.option("--prefix", help="Only accounts whose codes begin so, such as wallet:.")
@limit_option
@cursor_option
@json_option
@remote
def balances(
    at: str | None, prefix: str | None, limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """Show what accounts had at a time."""
    with connect() as client:
        found = client.reports.balances(at=at, prefix=prefix, limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    _print_books("Balances", "account", found["items"], "held" if at is None else "")
    print_cursor(found)


@ledger.command("trial-balance")
@at_option
@json_option
@remote
def trial_balance(at: str | None, *, as_json: bool) -> None:
    """Show the books at a time by class of accounts; exit code 1 if they do not balance."""
    with connect() as client:
        found = client.reports.trial_balance(at=at)
    if as_json:
        print_json(found)
    else:
        totals = [
            {"account": "total", "currency": currency, "balance": 0} | total
            for currency, total in found["totals"].items()
        ]
        lines = [{"account": line["accounts"], **line} for line in found["lines"]]
        _print_books("Trial balance", "accounts", [*lines, *totals])
        click.echo("balanced" if found["is_balanced"] else "NOT BALANCED")
    if not found["is_balanced"]:
        raise click.exceptions.Exit(1)


@ledger.command()
@click.option(
    "--by",
    default="resource,unit",
    show_default=True,
    help="Keys to sum by: day, owner, resource, unit, provider, budget.",
)
@first_day_option
@last_day_option
@click.option("--owner", help="Only what this agent used.")
@click.option("--resource", help="Only this resource.")
@click.option("--provider", help="Only what this provider bills.")
@click.option("--budget", help="Only what this budget bore.")
@json_option
@remote
def summary(by: str, start: str | None, end: str | None, *, as_json: bool, **only: str) -> None:
    """Sum usage of the operator's days by keys."""
    with connect() as client:
        found = client.reports.usage_summary(by=by, start=start, end=end, **only)
    if as_json:
        print_json(found)
        return
    keys = [key for key in by.split(",") if key]
    rows = [
        (*(line["keys"][key] for key in keys), *_figures(line, "quantity"))
        for line in found["items"]
    ]
    columns = (*keys, ">records", ">quantity", ">USD", ">burned", ">tokens")
    print_table("Usage", columns, rows)


@ledger.command()
@first_day_option
@last_day_option
@json_option
@remote
def spend(start: str | None, end: str | None, *, as_json: bool) -> None:
    """Show what each budget spent in the operator's days, alone and with all below it."""
    with connect() as client:
        found = client.reports.spend(start=start, end=end)
    if as_json:
        print_json(found)
        return
    rows = [
        (line["path"], usd(line["own"]["cost_nusd"]), *_figures(line["subtree"]))
        for line in found["items"]
    ]
    columns = ("budget", ">own USD", ">records", ">USD", ">burned", ">tokens")
    print_table("Spend, with all below", columns, rows)


@ledger.command()
@start_option
@end_option
@json_option
@remote
def indicators(start: str | None, end: str | None, *, as_json: bool) -> None:
    """Show the concentration of wallets and the velocity of tokens.

    By default of the span that has data, of which the last 30 days.
    """
    with connect() as client:
        found = client.reports.indicators(start=start, end=end)
    if as_json:
        print_json(found)
        return
    data = found["data"]
    if data is None:
        say(f"no data: no token moved from {found['start']} up to {found['end']}")
    print_facts(
        {
            "window": f"{found['start']} up to {found['end']} ({_days(found)})",
            "data": "none"
            if data is None
            else (f"in {data['hours']} hours, from {data['first_at']} to {data['last_at']}"),
            "wallets": found["wallets"],
            "Gini coefficient": _rounded(found["gini"], "no wallet has tokens"),
            "velocity": _rounded(found["velocity"], "no data"),
            "paid out by wallets": f"{tokens(found['spent_utok'])} tokens",
            "tokens at its end": f"{tokens(found['money_utok'])} tokens",
            "tokens on average": f"{tokens(found['mean_money_utok'])} tokens",
            "lent by observe-only mode": f"{tokens(found['lent_utok'])} tokens",
        }
    )


@ledger.command()
@click.argument("file", type=OutputFile())
@click.option("--format", "format_name", type=click.Choice(FORMATS), required=True)
@start_option
@end_option
@force_option
@json_option
@remote
def export(
    file: Path,
    format_name: str,
    start: str | None,
    end: str | None,
    *,
    is_forced: bool,
    as_json: bool,
) -> None:
    """Write the journal of a period to FILE, for other tools."""
    with connect() as client:
        pieces = client.reports.export(format_name, start=start, end=end)
        size_bytes = save(file, pieces, is_forced=is_forced)
    if as_json:
        print_json({"file": str(file), "format": format_name, "bytes": size_bytes})
    else:
        say(f"{file}: {size_bytes} bytes")


def _print_books(title: str, name: str, lines: list[dict[str, Any]], held: str = "") -> None:
    parts = ("debits", "credits", "balance", *filter(None, [held]))
    rows = [
        (line["account"], *(amount_text(line[part], line["currency"]) for part in parts))
        for line in lines
    ]
    print_table(title, (name, *(f">{part}" for part in parts)), rows)


def _figures(line: dict[str, Any], *more: str) -> tuple[Any, ...]:
    amounts = usd(line["cost_nusd"]), tokens(line["burn_utok"]), tokens(line["charge_utok"])
    told = ("several units" if line[name] is None else line[name] for name in more)
    return (line["records"], *told, *amounts)


def _rounded(value: float | None, why_none: str) -> str:
    return why_none if value is None else f"{value:.4f}"


def _days(window: dict[str, Any]) -> str:
    length = datetime.fromisoformat(window["end"]) - datetime.fromisoformat(window["start"])
    return f"{length / timedelta(days=1):.2f} days"
