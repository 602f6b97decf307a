"""``aem signer``: the signing keys, in a process of their own."""

from pathlib import Path

import click

from api.signing import SERVED_PURPOSES, run_signer
from cli.local.failures import explained

PURPOSES = [purpose.value for purpose in SERVED_PURPOSES]


@click.group()
def signer() -> None:
    """Run the signing keys in a process of their own."""


@signer.command()
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Unix socket to listen on.",
)
@click.option(
    "--keys",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The keys' folder; made where it is missing.",
)
@click.option(
    "--purpose",
    "purposes",
    type=click.Choice(PURPOSES),
    multiple=True,
    default=PURPOSES,
    show_default=True,
    help="What to sign for; repeatable.",
)
@click.option("--user", "users", type=int, multiple=True, help="User id that may ask; repeatable.")
@explained
def serve(
    socket_path: Path, folder: Path, purposes: tuple[str, ...], users: tuple[int, ...]
) -> None:
    """Sign for a service that has AEM_SIGNER set to the socket, until interrupted.

    Only this process's own user, and those given, may ask; the kernel says who is calling.
    """
    run_signer(
        socket_path=socket_path, folder=folder, purposes=purposes, users=users, say=click.echo
    )
