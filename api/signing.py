"""Signing keys, where they are: rotating them, and serving them from a process of their own."""

import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aem.proof import KeyPurpose
from api.settings import Settings
from core.clock import SystemClock
from core.errors import InfrastructureError
from core.signing import SERVED_PURPOSES, KeyFileSigner, SignerServer

__all__ = ["ROTATED_PURPOSES", "SERVED_PURPOSES", "rotate_key", "run_signer"]

ROTATED_PURPOSES = tuple(purpose for purpose in KeyPurpose if purpose is not KeyPurpose.ROOT)


class SocketTakenError(InfrastructureError):
    """The signer's socket cannot be listened on."""

    reason = "signer_socket_taken"


def rotate_key(purpose: str, *, folder: Path | None, root_key: Path | None) -> dict[str, Any]:
    """Put a new key into use and return its public half; see `KeyFileSigner.rotate`.

    Raises:
        KeyRotationError: the trust root is full.
        SigningKeyError: the root key, or the trust root, cannot be read.
    """
    signer = KeyFileSigner(folder or Settings().keys_folder)
    key = signer.rotate(KeyPurpose(purpose), at=SystemClock().now(), root_key=root_key)
    return key.to_json()


def run_signer(
    *,
    socket_path: Path,
    folder: Path,
    purposes: Collection[str],
    users: Collection[int],
    say: Callable[[str], None],
) -> None:
    """Make keys where there are none, and sign until interrupted.

    Raises:
        SigningKeyError: a key is damaged.
        SocketTakenError: the socket cannot be listened on.
    """
    keys = KeyFileSigner(folder)
    keys.create_missing()
    keys.trust()
    served = [KeyPurpose(purpose) for purpose in purposes]
    try:
        server = SignerServer(socket_path, keys, purposes=served, users=users)
    except OSError as error:
        raise SocketTakenError(
            f"{socket_path} cannot be listened on ({error.strerror or error}): does a signer run"
            " there already, and is its folder yours?"
        ) from error
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with server:
        threading.Thread(target=server.serve_forever, name="signer", daemon=True).start()
        say(f"the signer listens at {socket_path} for {', '.join(sorted(purposes))}")
        stopping.wait()
        server.shutdown()
    socket_path.unlink(missing_ok=True)
