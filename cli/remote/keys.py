"""``aem keys``: make, list and revoke API keys; rotate signing keys."""

import click

from cli.lazy import Lazy, LazyGroup
from cli.output import (
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
)
from cli.remote.connection import connect, remote

ROLES = ("operator", "team", "agent", "devops", "evaluator", "auditor")


_ROTATE = Lazy(module="cli.local.rotation", help="Rotate a signing key here.", is_local=True)


@click.group(cls=LazyGroup, lazy={"rotate": _ROTATE})
def keys() -> None:
    """Make, list and revoke API keys; rotate signing keys."""


@keys.command("create")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--namespace", default="", help="The team that the key belongs to.")
@click.option("--agent", default="", help="The agent's name; with role agent only.")
@json_option
@remote
def create_key(role: str, namespace: str, agent: str, *, as_json: bool) -> None:
    """Make a key. Its secret is shown once and kept nowhere."""
    with connect() as client:
        key = client.create_key(role=role, namespace=namespace, agent=agent)
    if as_json:
        print_json(key)
        return
    print_facts(key)
    click.echo("\nKeep the secret now: it cannot be shown again.")


@keys.command("list")
@json_option
@remote
def list_keys(*, as_json: bool) -> None:
    """List all keys, without their secrets."""
    with connect() as client:
        found = client.keys()
    if as_json:
        print_json(found)
        return
    columns = ("id", "role", "owner", "created_at", "revoked_at")
    print_table("Keys", columns, [[key[c] for c in columns] for key in found["items"]])


@keys.command("revoke")
@click.argument("key_id")
@json_option
@remote
def revoke_key(key_id: str, *, as_json: bool) -> None:
    """Make a key useless from now on."""
    with connect() as client:
        answer = client.revoke_key(key_id)
    print_json(answer) if as_json else say(f"revoked {key_id}")
