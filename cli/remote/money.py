"""``aem wallet|ledger|budget|prices``: where the money is."""

from fractions import Fraction
from typing import Any

import click

from cli.output import (
    Tokens,
    Usd,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    tokens,
    usd,
)
from cli.remote.connection import connect, key_option, remote
from cli.remote.listings import print_transfers


@click.command()
@click.argument("owner", required=False)
@json_option
@remote
def wallet(owner: str | None, *, as_json: bool) -> None:
    """Show a wallet: its balance, the threshold for orders, its transfers.

    OWNER is a team or team.agent; without it, the key's own.
    """
    with connect() as client:
        name = owner or client.me()["owner"]
        if not name:
            raise click.UsageError("this key has no wallet: name one, such as `aem wallet acme`")
        found = client.wallet(name)
    if as_json:
        print_json(found)
        return
    print_facts(
        {
            "wallet": found["owner"],
            "balance": f"{tokens(found['balance_utok'])} tokens",
            "available": f"{tokens(found['available_utok'])} tokens",
            "needed to order": f"{tokens(found['threshold_utok'])} tokens",
            "may order": found["may_order"],
            **_debt("owed", tokens(found["owed_utok"]), "tokens, lent by observe-only mode"),
        }
    )
    print_transfers("\nTransfers", found["transfers"], found["account"])


@click.group()
def budget() -> None:
    """Set budgets and hand out their tokens."""


@budget.command("set")
@click.argument("name")
@click.option("--parent", help="The budget above a new one; none for the root.")
@click.option("--daily", "daily_nusd", type=Usd(), help="US dollars a day.")
@click.option("--kappa", "utok_per_usd", type=Tokens(), help="Tokens for a US dollar; root only.")
@json_option
@remote
def set_budget(
    name: str,
    parent: str | None,
    daily_nusd: int | None,
    utok_per_usd: int | None,
    *,
    as_json: bool,
) -> None:
    """Make or change a budget. The first setting counts at once, later ones from tomorrow on."""
    with connect() as client:
        state = client.set_budget(
            name, parent=parent, daily_limit_nusd=daily_nusd, utok_per_usd=utok_per_usd
        )
    _print_budget(state, as_json=as_json)


@budget.command("show")
@click.argument("name")
@json_option
@remote
def show_budget(name: str, *, as_json: bool) -> None:
    """Show where a budget stands today."""
    with connect() as client:
        state = client.budget(name)
    _print_budget(state, as_json=as_json)


@budget.command("allocate")
@click.argument("name")
@click.argument("to")
@click.argument("amount", type=Tokens())
@click.option("--reason", required=True, help="Why; it stays in the record.")
@key_option
@json_option
@remote
def allocate(
    name: str, to: str, amount: int, reason: str, key: str | None, *, as_json: bool
) -> None:
    """Hand AMOUNT tokens of budget NAME to TO: treasury:<child budget> or wallet:<owner>."""
    with connect() as client:
        transfer = client.allocate(
            name, to=to, amount_utok=amount, reason=reason, idempotency_key=key
        )
    if as_json:
        print_json(transfer)
    else:
        say(f"{tokens(amount)} tokens: {transfer['debit']} -> {transfer['credit']}")


@click.command()
@json_option
@remote
def prices(*, as_json: bool) -> None:
    """Show the market's prices of the tick in force."""
    with connect() as client:
        vector = client.prices()
    if as_json:
        print_json(vector)
        return
    rows = [
        (
            name,
            f"{price['price_pusd'] / 1e12:.9f}",
            f"{price['base_price_pusd'] / 1e12:.9f}",
            f"{float(Fraction(price['active'])):.2f} of {price['capacity']}",
        )
        for name, price in vector["prices"].items()
    ]
    title = f"Tick {vector['sequence']} at {vector['at']}, until {vector['expires_at']}"
    print_table(title, ("resource", ">USD a unit", ">base", ">in use"), rows)


@click.command()
@json_option
@remote
def models(*, as_json: bool) -> None:
    """Show the language models that orders may ask; `aem prices` says what their tokens cost."""
    with connect() as client:
        found = client.models()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            model["name"],
            model["provider"],
            model["context_tokens"],
            model["reply_tokens_max"],
            "yes" if model["has_reply_schemas"] else "no",
        )
        for model in found["items"]
    ]
    print_table("Models", ("model", "provider", ">context", ">reply", "reply schemas"), rows)


def _print_budget(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    facts = _child_facts(state) if state["budget"]["parent"] else _root_facts(state)
    print_facts(
        {
            "budget": state["budget"]["path"],
            "day": f"{state['day']} ({state['budget']['time_zone']})",
            **facts,
            **_next_setting(state),
            "treasury": f"{tokens(_balance(state['treasury']))} tokens",
            "enforcement": state["enforcement"],
            **_debt("beyond the limit", usd(state["beyond_nusd"]), "USD today"),
            **_debt("lent", tokens(state["lent_utok"]), "tokens, and not given back"),
        }
    )


def _root_facts(state: dict[str, Any]) -> dict[str, str]:
    setting = state["setting"]
    if not setting:
        return {"limit": "not set yet", "kappa": "not set yet"}
    return {
        "limit": f"{usd(setting['daily_limit_nusd'])} USD a day",
        "kappa": f"{tokens(setting['utok_per_usd'])} tokens for a USD",
        **_issued("", state),
        "fiat left today": f"{usd(state['left']['amount_nusd'])} USD",
    }


def _child_facts(state: dict[str, Any]) -> dict[str, str]:
    """Say what a budget below the root may and did take; what is the root's is called so."""
    name, setting, decision = state["budget"]["name"], state["setting"], state["decision"]
    limit = f"{usd(setting['daily_limit_nusd'])} USD a day" if setting else "none of its own"
    facts = {"limit": limit, "taken today": f"{usd(state['taken_nusd'])} USD"}
    if left := state["left"]:
        of = "its limit" if left["limit_of"] == name else f"the limit of {left['limit_of']}"
        facts["left today"] = f"{usd(left['amount_nusd'])} USD of {of}"
    root = f"root {state['budget']['path'].partition('/')[0]}: "
    if decision:
        facts[f"{root}kappa"] = f"{tokens(decision['utok_per_usd'])} tokens for a USD"
    return facts | _issued(root, state)


def _issued(whose: str, state: dict[str, Any]) -> dict[str, str]:
    decision = state["decision"]
    issued = f"{tokens(decision['issued_utok'])} tokens" if decision else "at the first use today"
    return {
        f"{whose}issued today": issued,
        f"{whose}reserve": f"{tokens(_balance(state['reserve']))} tokens",
    }


def _next_setting(state: dict[str, Any]) -> dict[str, str]:
    """Say what was set and is not in force yet."""
    waiting = state["next_setting"]
    if not waiting:
        return {}
    rate = waiting["utok_per_usd"]
    kappa = f", {tokens(rate)} tokens for a USD" if rate else ""
    limit = f"{usd(waiting['daily_limit_nusd'])} USD a day{kappa}"
    return {f"from {waiting['effective_day']} on": limit}


def _debt(name: str, amount: str, what: str) -> dict[str, str]:
    """Name what observe-only mode let pass, where it let anything."""
    return {} if amount == "0" else {name: f"{amount} {what}"}


def _balance(account: dict[str, Any]) -> int:
    return int(account["credits_posted"] - account["debits_posted"])
