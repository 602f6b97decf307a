"""``aem submit|status|watch|report|calls``: orders."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from aem.artifact import Bundle
from aem.client import Client
from cli.output import (
    ExitCode,
    Tokens,
    fail,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    tokens,
)
from cli.remote.connection import connect, key_option, read_file, remote

folder_type = click.Path(exists=True, file_okay=False, path_type=Path)
file_type = click.Path(exists=True, dir_okay=False)

STAGES = {
    "escrowed": "the most that it may cost is set aside",
    "ingested": "artifact, metrics and traces are taken in",
    "synthesizing": "searching for a better version on the dev cases",
    "validating": "judging the finalist on cases that nobody but the judge sees",
    "published": "the version is signed, numbered and listed",
    "deployed": "the channel points to it; running agents swap",
    "rejected": "not good enough",
    "failed": "it could not be carried through; the artifact is not to blame",
    "settled": "paid, and the rest of the escrow returned",
    "refunded": "everything was paid back",
}

UNPAID = frozenset({"budget_exhausted", "insufficient_funds"})
"""Why an order fails that neither the artifact nor the service is to blame for."""


@click.command()
@click.argument("folder", type=folder_type)
@click.option("--gold", required=True, help="Dataset that judges: digest, or newest of a name.")
@click.option("--traces", type=file_type, help="JSON Lines of what the artifact did.")
@click.option("--max-price", type=Tokens(), required=True, help="Tokens; fee included.")
@click.option("--candidate", type=folder_type, help="A candidate made elsewhere.")
@click.option(
    "--synthesizer",
    default="repair",
    show_default=True,
    help="Who searches: repair (python), prompt-search (prompts), openai (both, by a model).",
)
@click.option("--model", default="", help="What the synthesizer asks; see `aem models`.")
@click.option("--channel", default="production", show_default=True)
@click.option("--propose", is_flag=True, help="Publish what passes, and promote nothing.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="Repeatable.")
@click.option("--wait/--no-wait", default=True, help="Follow the order until it ends.")
@key_option
@json_option
@remote
def submit(
    *,
    folder: Path,
    gold: str,
    traces: str | None,
    max_price: int,
    candidate: Path | None,
    synthesizer: str,
    model: str,
    channel: str,
    propose: bool,
    metrics: tuple[str, ...],
    wait: bool,
    key: str | None,
    as_json: bool,
) -> None:
    """Pay for an improvement of the artifact in FOLDER.

    Exit code 4: the wallet, the maximum price or the day's budget is too low. 1: rejected.
    """
    bundle = Bundle.from_folder(folder)
    numbers = _metrics(metrics)
    with connect() as client:
        order = client.submit(
            bundle,
            gold=_dataset(client, gold, as_json=as_json),
            traces=read_file(traces, "trace file") if traces else b"",
            max_price_utok=max_price,
            channel=channel,
            deployment="propose" if propose else "deploy",
            synthesizer="candidate" if candidate else synthesizer,
            model=model,
            metrics=numbers,
            candidate=Bundle.from_folder(candidate) if candidate else None,
            idempotency_key=key,
        )
        if not as_json:
            say(f"order {order['id']}")
        if wait:
            order = _follow(client, order["id"], is_quiet=as_json)
    _end(order, as_json=as_json)


@click.command()
@click.argument("order_id", required=False)
@json_option
@remote
def status(order_id: str | None, *, as_json: bool) -> None:
    """Show an order; without an id, the newest orders."""
    with connect() as client:
        found = client.order(order_id) if order_id else client.orders()
    if as_json:
        print_json(found)
    elif order_id:
        _print_order(found)
    else:
        rows = [
            (
                order["id"],
                order["artifact"],
                order["state"],
                order["outcome"],
                tokens(order["price_utok"]),
                order["reason"],
            )
            for order in found["items"]
        ]
        columns = ("order", "artifact", "state", "outcome", ">tokens", "reason")
        print_table("Orders", columns, rows)


@click.command()
@click.argument("order_id")
@json_option
@remote
def watch(order_id: str, *, as_json: bool) -> None:
    """Follow an order live until it ends. With --json: one event a line, then the order."""
    with connect() as client:
        order = _follow(client, order_id, is_quiet=False, as_json=as_json)
    if as_json:
        click.echo(json.dumps(order))
    else:
        _print_order(order)
    _exit_by_outcome(order)


@click.command()
@click.argument("order_id")
@json_option
@remote
def report(order_id: str, *, as_json: bool) -> None:
    """Show the judge's report: each axis, old against new, as far as the key may see it."""
    with connect() as client:
        found = client.order_report(order_id)
    if as_json:
        print_json(found)
        return
    print_report(found)


@click.command()
@click.argument("order_id")
@json_option
@remote
def calls(order_id: str, *, as_json: bool) -> None:
    """Show what an order asked of language models, what it paid, and how each call ended.

    With --json the requests and replies too, but for calls about the holdout.
    """
    with connect() as client:
        found = client.order_calls(order_id)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            call["at"],
            call["stage"],
            call["model"],
            call["status"],
            (call["use"] or {}).get("input_tokens", ""),
            (call["use"] or {}).get("output_tokens", ""),
            tokens(call["charge_utok"]),
            call["reason"],
        )
        for call in found["items"]
    ]
    columns = ("at", "stage", "model", "status", ">sent", ">received", ">tokens", "reason")
    print_table("Model calls", columns, rows)


def print_report(found: dict[str, Any]) -> None:
    """Print a report's axes, old against new."""
    rows = []
    for name, axis in found["axes"].items():
        old, new = axis.get("old"), axis.get("new")
        rows.append(
            (
                name,
                _verdict(axis),
                _share(old),
                _share(new),
                axis.get("threshold", ""),
                axis.get("waived") or "",
            )
        )
    verdict = "accepted" if found["accepted"] else f"rejected: {found['reason']}"
    columns = ("axis", "verdict", ">old", ">new", "needed", "waived because")
    print_table(verdict, columns, rows)


def _verdict(axis: dict[str, Any]) -> str:
    if axis.get("waived"):
        return "waived"
    return "pass" if axis["passed"] else "FAIL"


def _share(share: dict[str, Any] | None) -> str:
    return "" if share is None else f"{share['value']:.4f} ({share['exact']})"


def _dataset(client: Client, gold: str, *, as_json: bool) -> str:
    """Return a dataset's digest; a name stands for the dataset frozen last under it."""
    if gold.startswith("sha256:"):
        return gold
    named = [ref for ref in client.gold_datasets()["items"] if ref["name"] == gold]
    if not named:
        fail(
            f"no dataset named {gold} is frozen here: `aem gold list` shows those that are",
            ExitCode.NOT_FOUND,
            as_json=as_json,
            reason="gold_not_found",
        )
    return str(max(named, key=lambda ref: ref["frozen_at"])["digest"])


def _metrics(pairs: tuple[str, ...]) -> dict[str, float]:
    metrics = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        try:
            metrics[name] = float(number)
        except ValueError as error:
            raise click.BadParameter(f"{pair!r} is no NAME=NUMBER") from error
    return metrics


def _follow(
    client: Client, order_id: str, *, is_quiet: bool, as_json: bool = False
) -> dict[str, Any]:
    """Print an order's events as they come; return the order when it has ended."""
    with client.events(f"order:{order_id}") as events:
        for event in events:
            if as_json:
                click.echo(json.dumps(asdict(event)))
            elif not is_quiet:
                _print_event(event.kind, event.data)
            if event.kind in ("settled", "refunded"):
                break
    return client.order(order_id)


def _print_event(kind: str, data: dict[str, Any]) -> None:
    if kind == "progress" and not data["runs"]:
        return  # nothing is measured yet
    if kind == "progress":
        say(
            f"  {data['stage']}: {data['variants']} variants, {data['runs']} runs,"
            f" loss {data['loss']:.2f}"
        )
    else:
        say(f"{kind:<13} {STAGES.get(kind, '')}")


def _end(order: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(order)
    else:
        _print_order(order)
    _exit_by_outcome(order)


def _exit_by_outcome(order: dict[str, Any]) -> None:
    """End with the exit code of an order that was not accepted."""
    if order["is_final"] and order["outcome"] != "accepted":
        raise click.exceptions.Exit(exit_code_of_order(order))


def exit_code_of_order(order: dict[str, Any]) -> ExitCode:
    """Return what an order's outcome is as an exit code."""
    if order["outcome"] == "accepted":
        return ExitCode.OK
    if order["outcome"] == "rejected":
        return ExitCode.FAILED
    is_unpaid = order["reason"] in UNPAID
    return ExitCode.PAYMENT_REQUIRED if is_unpaid else ExitCode.UNAVAILABLE


def _print_order(order: dict[str, Any]) -> None:
    version = order["version"]
    print_facts(
        {
            "order": order["id"],
            "artifact": f"{order['artifact']} ({order['channel']})",
            "state": order["state"],
            "outcome": order["outcome"] or "still running",
            "reason": order["reason"] or "-",
            **_cause(order),
            "escrowed": f"{tokens(order['escrowed_utok'])} tokens",
            "price": f"{tokens(order['price_utok'])} tokens",
            "refunded": f"{tokens(order['refunded_utok'])} tokens",
            **_let_pass(order),
            "version": f"v{version['number']} {version['digest']}" if version else "-",
            "listed at": f"{tokens(order['listing_utok'])} tokens" if version else "-",
        }
    )


def _let_pass(order: dict[str, Any]) -> dict[str, str]:
    """Say what observe-only mode lent the order, and what it was not refused for."""
    notes = order["summary"].get("let_pass", [])
    if not notes:
        return {}
    refusals = ", ".join(f"{note['reason']} ({note['stage']})" for note in notes)
    return {
        "not refused": f"{refusals}: observe-only mode",
        "lent": f"{tokens(order['lent_utok'])} tokens, owed {tokens(order['owed_utok'])}",
    }


def _cause(order: dict[str, Any]) -> dict[str, str]:
    """Return why a search found nothing or a stage failed, where it said so."""
    found = order["summary"].get("synthesis", {})
    judged = order["summary"].get("validation", {})
    causes = (
        found.get("load_error"),
        found.get("message") or found.get("reason"),
        judged.get("message"),
    )
    told = [str(cause).strip() for cause in causes if cause]
    return {"because": "; ".join(told)} if told else {}
