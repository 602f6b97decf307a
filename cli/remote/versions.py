"""``aem log|diff|promote|rollback``: versions and channels."""

from typing import Any

import click

from cli.output import (
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
    tokens,
)
from cli.remote.connection import connect, remote

channel_option = click.option("--channel", default="production", show_default=True)


@click.command()
@click.argument("artifact")
@channel_option
@json_option
@remote
def log(artifact: str, channel: str, *, as_json: bool) -> None:
    """Show ARTIFACT's versions, and what its channel ran when and why."""
    with connect() as client:
        versions = client.versions(artifact)
        history = client.channel_history(artifact, channel)
    if as_json:
        print_json({"versions": versions["items"], "history": history["items"]})
        return
    rows = [
        (
            f"v{version['number']}",
            version["digest"],
            version["source"],
            version["created_at"],
            tokens(version["price_utok"]),
            version["yank"]["reason"] if version["yank"] else "",
        )
        for version in versions["items"]
    ]
    columns = ("version", "digest", "made by", "at", ">listed at", "yanked because")
    print_table(f"Versions of {artifact}", columns, rows)
    moves = [
        (move["generation"], f"v{move['number']}", move["cause"], move["at"], move["reason"])
        for move in history["items"]
    ]
    print_table(
        f"\nHistory of {channel}", (">generation", "version", "by", "at", "because"), moves
    )


@click.command()
@click.argument("old")
@click.argument("new")
@json_option
@remote
def diff(old: str, new: str, *, as_json: bool) -> None:
    """Show what differs between two versions, given by digest or as ``team/name@3``."""
    with connect() as client:
        found = client.diff(resolve(client, old), resolve(client, new))
    if as_json:
        print_json(found)
        return
    for file in found["files"]:
        say(file["hunks"] or f"{file['path']}: {file['change']} ({file['note']})")


@click.command()
@click.argument("artifact")
@click.argument("version")
@click.option("--reason", required=True, help="Why; it stays in the history.")
@channel_option
@json_option
@remote
def promote(artifact: str, version: str, reason: str, channel: str, *, as_json: bool) -> None:
    """Point ARTIFACT's channel to VERSION (a digest, or team/name@number)."""
    with connect() as client:
        heads = client.artifact(artifact)["channels"]
        head = next((head for head in heads if head["channel"] == channel), None)
        state = client.promote(
            artifact,
            channel,
            digest=resolve(client, version),
            reason=reason,
            expected_generation=head["generation"] if head else 0,
            expected_digest=head["digest"] if head else None,
        )
    print_json(state) if as_json else print_facts(state)


@click.command()
@click.argument("artifact")
@click.option("--reason", required=True, help="Why; it stays in the history.")
@click.option("--to", "version", help="A digest or team/name@number; else the version before.")
@channel_option
@json_option
@remote
def rollback(
    artifact: str, reason: str, version: str | None, channel: str, *, as_json: bool
) -> None:
    """Point ARTIFACT's channel back; running agents swap at once."""
    with connect() as client:
        digest = resolve(client, version) if version else None
        state = client.rollback(artifact, channel, reason=reason, digest=digest)
    print_json(state) if as_json else print_facts(state)


def resolve(client: Any, version: str) -> str:
    """Return a version's digest.

    Raises:
        click.BadParameter: ``team/name@number`` names no version.
    """
    artifact, at, number = version.partition("@")
    if not at:
        return version
    for found in client.versions(artifact)["items"]:
        if str(found["number"]) == number.removeprefix("v"):
            return str(found["digest"])
    raise click.BadParameter(f"{artifact} has no version {number}")
