"""``aem keys rotate``: put a new signing key into use, where the keys are."""

from datetime import datetime
from pathlib import Path

import click

from api.signing import ROTATED_PURPOSES, rotate_key
from cli.local.failures import explained
from cli.output import json_option, print_facts, print_json

PURPOSES = [purpose.value for purpose in ROTATED_PURPOSES]


@click.command()
@click.argument("purpose", metavar="PURPOSE", type=click.Choice(PURPOSES))
@click.option(
    "--keys",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The keys' folder; default: keys in AEM_DATA_FOLDER.",
)
@click.option(
    "--root-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The root's private key, where it is kept elsewhere.",
)
@json_option
@explained
def rotate(purpose: str, folder: Path | None, root_key: Path | None, *, as_json: bool) -> None:
    """Put a new key for PURPOSE into use; what the old one signed stays valid.

    It runs where the keys are, never over HTTP. Services and signers that use the folder go on
    with the new key by themselves, and agents follow, since the root key vouches for it.
    """
    key = rotate_key(purpose, folder=folder, root_key=root_key)
    facts = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in key.items()
    }
    print_json(facts) if as_json else print_facts(facts)
