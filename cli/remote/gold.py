"""``aem gold``: lint, freeze and show Gold Datasets."""

from pathlib import Path

import click

from aem.artifact import Bundle
from cli.output import ExitCode, fail, json_option, print_facts, print_json, print_table
from cli.remote.connection import connect, remote


@click.group()
def gold() -> None:
    """Lint, freeze and show Gold Datasets."""


@gold.command("lint")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@remote
def lint_gold(folder: Path, *, as_json: bool) -> None:
    """Check a dataset folder here, without a service."""
    try:
        from cli.local.gold import lint_folder  # noqa: PLC0415 - needs the [server] extra
    except ModuleNotFoundError as error:
        fail(
            f"linting runs here and needs aem-service[server] (missing: {error.name})",
            ExitCode.USAGE,
            as_json=as_json,
        )
    findings = lint_folder(folder)
    errors = sum(finding["severity"] == "error" for finding in findings)
    if as_json:
        print_json({"findings": findings, "errors": errors})
    for finding in [] if as_json else findings:
        line = f":{finding['line']}" if finding["line"] else ""
        click.echo(f"{finding['path']}{line}: {finding['severity']}: {finding['message']}")
    if errors:
        if not as_json:
            click.echo(f"{errors} errors: this dataset cannot be frozen", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)
    if not as_json:
        click.echo("clean: this dataset can be frozen")


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
