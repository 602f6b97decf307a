"""``aem gold``: lint, freeze and show Gold Datasets."""

from pathlib import Path

import click

from aem.artifact import Bundle
from cli.lazy import Lazy, LazyGroup
from cli.output import json_option, print_facts, print_json, print_table
from cli.remote.connection import connect, remote

_LINT = Lazy(module="cli.local.gold", help="Check a dataset folder here.", is_local=True)


@click.group(cls=LazyGroup, lazy={"lint": _LINT})
def gold() -> None:
    """Lint, freeze and show Gold Datasets."""


@gold.command("freeze")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@remote
def freeze_gold(folder: Path, *, as_json: bool) -> None:
    """Send a dataset to the service, which makes it immutable under its digest."""
    dataset = Bundle.from_folder(folder)
    with connect() as client:
        answer = client.freeze_gold(dataset)
    print_json(answer) if as_json else print_facts(answer)


@gold.command("list")
@json_option
@remote
def list_gold(*, as_json: bool) -> None:
    """List the frozen datasets."""
    with connect() as client:
        found = client.gold_datasets()
    if as_json:
        print_json(found)
        return
    columns = ("name", "digest", "owner", "frozen_at")
    print_table("Datasets", columns, [[ref[c] for c in columns] for ref in found["items"]])


@gold.command("show")
@click.argument("digest")
@json_option
@remote
def show_gold(digest: str, *, as_json: bool) -> None:
    """Show what is public of a frozen dataset."""
    with connect() as client:
        answer = client.gold(digest)
    print_json(answer) if as_json else print_facts(answer)
