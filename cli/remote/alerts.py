"""``aem alerts``: what operators were told, and whether it arrived."""

from typing import Any

import click

from cli.output import (
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
)
from cli.remote.connection import connect, remote
from cli.remote.listings import audit_result, cursor_option, limit_option, print_cursor


@click.group()
def alerts() -> None:
    """Show what operators were told, and test the telling."""


@alerts.command("list")
@limit_option
@cursor_option
@json_option
@remote
def list_alerts(limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List alerts, the newest first, with how far their telling got."""
    with connect() as client:
        found = client.alerts(limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    rows = [
        (alert["at"], alert["kind"], alert["text"], _told(alert["deliveries"]))
        for alert in found["items"]
    ]
    print_table("Alerts", ("at", "kind", "text", "told"), rows)
    print_cursor(found)
    say("")
    print_facts(_audits(found["audit"]))


@alerts.command()
@json_option
@remote
def test(*, as_json: bool) -> None:
    """Raise an alert that says nothing but that alerts arrive."""
    with connect() as client:
        alert = client.test_alerts()
    if as_json:
        print_json(alert)
    elif alert["deliveries"]:
        names = ", ".join(delivery["destination"] for delivery in alert["deliveries"])
        say(f"on its way to {names}; `aem alerts list` shows whether it arrived")
    else:
        click.echo("kept, and told to nobody: the service has no AEM_ALERT_WEBHOOK or _SLACK")


def _audits(state: dict[str, Any]) -> dict[str, str]:
    """Say when the service last audited itself, with what result, and when it will again."""
    told = {
        name: f"{run['ended_at']}, {run['size']} records: {audit_result(run)}"
        if run
        else "none yet"
        for name, run in (("last audit", state["last"]), ("last full audit", state["last_full"]))
    }
    return told | {"next audit": state["next_at"] or "never: AEM_AUDIT_INTERVAL_S is 0"}


def _told(deliveries: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{one['destination']} {one['status']}"
        + (f" ({one['answer']}, {one['tries']} tries)" if one["status"] != "delivered" else "")
        for one in deliveries
    )
