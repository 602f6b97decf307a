"""``aem ledger reconcile|reconciliations|reconciliation``: providers' invoices."""

import sys
from typing import Any

import click

from cli.output import ExitCode, json_option, print_facts, print_json, print_table, say, usd
from cli.remote.connection import connect, read_file, remote
from cli.remote.listings import cursor_option, limit_option, print_cursor


@click.command()
@click.argument("invoice", type=click.Path(exists=True, dir_okay=False))
@click.option("--provider", required=True, help="Whose invoice it is.")
@click.option("--from", "start", help="First day that it covers; default its first line's.")
@click.option("--to", "end", help="The day after the last; default that after its last line's.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only compare.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Settle without asking.")
@json_option
@remote
def reconcile(
    invoice: str,
    provider: str,
    start: str | None,
    end: str | None,
    *,
    is_dry_run: bool,
    is_confirmed: bool,
    as_json: bool,
) -> None:
    """Hold INVOICE, a provider's CSV, against the ledger, and settle suspense by it.

    Exit code 1 if they differ.
    """
    if as_json and not (is_dry_run or is_confirmed):
        raise click.UsageError("--json goes with --dry-run or --yes: nobody can be asked")
    content = read_file(invoice, "invoice")
    period = {"start": start, "end": end}
    with connect() as client:
        found = client.reports.reconcile(content, provider=provider, is_dry_run=True, **period)
        if not as_json:
            _print_reconciliation(found)
        if not is_dry_run and (is_confirmed or _is_wanted()):
            found = client.reports.reconcile(
                content, provider=provider, is_dry_run=False, **period
            )
            if not as_json:
                told = "settled before" if found["is_replay"] else "settled"
                say(f"{told}: {len(found['transfers'])} transfers")
    if as_json:
        print_json(found)
    if found["counts"]:
        raise click.exceptions.Exit(ExitCode.FAILED)


def _is_wanted() -> bool:
    try:
        return click.confirm("\nSettle suspense by this invoice?", default=False)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("nobody answers here: settle with --yes") from None


def _print_reconciliation(found: dict[str, Any]) -> None:
    rows = [
        (
            difference["kind"],
            difference["line"],
            difference["reference"] or f"{difference['day']} {difference['resource']}",
            _pico(difference["invoice_pusd"]),
            _pico(difference["ledger_pusd"]),
        )
        for difference in found["differences"]
    ]
    columns = ("difference", ">line", "of", ">invoice USD", ">ledger USD")
    print_table("Differences", columns, rows)
    counted = ", ".join(f"{count} {kind}" for kind, count in found["counts"].items())
    click.echo()
    print_facts(
        {
            "invoice": f"{found['lines']} lines, {_pico(found['invoice_pusd'])} USD",
            "ledger": f"{_pico(found['ledger_pusd'])} USD",
            "days": f"{found['start']} up to {found['end']}",
            "agree": found["matched"],
            "differ": counted or "nothing",
            "suspense": f"{found['attempts']} lost attempts",
            "billed": f"{usd(found['billed_nusd'])} USD",
            "not billed": f"{usd(found['released_nusd'])} USD",
            "above the bounds": f"{usd(found['loss_nusd'])} USD",
        }
    )


def _pico(pusd: int) -> str:
    whole, rest = divmod(pusd, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")


@click.command("reconciliations")
@click.option("--provider", help="Only those of this provider's invoices.")
@limit_option
@cursor_option
@json_option
@remote
def list_reconciliations(
    provider: str | None, limit: int, cursor: str | None, *, as_json: bool
) -> None:
    """List what was settled by invoices, the newest first."""
    with connect() as client:
        found = client.reports.reconciliations(provider=provider, limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            item["id"],
            item["at"],
            item["provider"],
            f"{item['start']} up to {item['end']}",
            _pico(item["invoice_pusd"]),
            usd(item["loss_nusd"]),
            sum(item["counts"].values()),
        )
        for item in found["items"]
    ]
    columns = ("id", "at", "provider", "days", ">invoice USD", ">loss USD", ">differences")
    print_table("Reconciliations", columns, rows)
    print_cursor(found)


@click.command()
@click.argument("reconciliation_id")
@json_option
@remote
def reconciliation(reconciliation_id: str, *, as_json: bool) -> None:
    """Show what was settled by one invoice, and how it and the ledger differed."""
    with connect() as client:
        found = client.reports.reconciliation(reconciliation_id)
    if as_json:
        print_json(found)
        return
    print_facts(
        {
            "reconciliation": found["id"],
            "provider": found["provider"],
            "settled at": found["at"],
            "by": found["actor"],
            "invoice digest": found["invoice_digest"],
            "transfers": f"{len(found['transfers'])}; --json names them",
        }
    )
    click.echo()
    _print_reconciliation(found)
