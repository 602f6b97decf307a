"""The signer in a process of its own: whoever takes over the service gets no key.

It listens on a Unix socket, asks the kernel who is calling, and signs only what its purposes' keys
are for. A caller that may ask for signatures can still have anything of that kind signed; what it
cannot do is take the keys away, or sign once it is shut out.
"""

import base64
import binascii
import errno
import logging
import os
import socket
import socketserver
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any

from aem.proof import PAYLOAD_TYPES, KeyPurpose
from core.errors import AemError
from core.signing.frames import FrameError, receive_frame, send_frame
from core.signing.port import Signer

SERVED_PURPOSES = (KeyPurpose.ATTESTATION, KeyPurpose.POINTER, KeyPurpose.CHECKPOINT)
"""What a signer signs unless it is told otherwise; the root's key is needed for rotations only."""

CALL_TIMEOUT_S = 10.0
"""How long a caller may take to say what it wants."""

_SOCKET_MODE = 0o660
_CREDENTIALS = struct.Struct("3i")
_NOT_SERVED = "signing_key_unusable"
_REFUSED = "signer_refused"

_logger = logging.getLogger(__name__)


class SignerServer(socketserver.ThreadingUnixStreamServer):
    """Answers requests to sign, each on a connection of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        path: Path,
        signer: Signer,
        *,
        purposes: Collection[KeyPurpose] = SERVED_PURPOSES,
        users: Collection[int] = (),
    ) -> None:
        """Listen on a socket that only its user, its group and root can reach.

        Args:
            path: of the socket; one that a dead signer left is replaced.
            signer: has the keys.
            purposes: what to sign for.
            users: user ids that may ask, beside this process's own.

        Raises:
            OSError: it cannot be listened on.
        """
        self.signer = signer
        self.purposes = frozenset(purposes)
        self.users = {os.geteuid(), *users}
        _clear(path)
        mask = os.umask(0o777 - _SOCKET_MODE)
        try:
            super().__init__(str(path), _Call)
        finally:
            os.umask(mask)


def _clear(path: Path) -> None:
    """Remove the socket that a dead signer left.

    Raises:
        OSError: a living one listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, f"a signer listens at {path} already")


class _Call(socketserver.BaseRequestHandler):
    """One request and its answer."""

    request: socket.socket
    server: SignerServer

    def handle(self) -> None:
        self.request.settimeout(CALL_TIMEOUT_S)
        try:
            send_frame(self.request, self._answer())
        except (OSError, FrameError) as error:
            _logger.warning("a caller was not answered: %s", error)

    def _answer(self) -> dict[str, Any]:
        user = _user_of(self.request)
        if user not in self.server.users:
            _logger.warning("user %d asked for a signature and may not", user)
            return _refusal(_REFUSED, f"user {user} may not ask this signer")
        request = receive_frame(self.request)
        try:
            if request.get("operation") == "trust":
                return {"trust": self.server.signer.trust().to_json()}
            return self._sign(request)
        except AemError as error:
            return _refusal(error.reason, error.message)

    def _sign(self, request: dict[str, Any]) -> dict[str, Any]:
        purpose, message = _read_request(request)
        if purpose is None or message is None:
            return _refusal(_REFUSED, "the request is none that this signer knows")
        if purpose not in self.server.purposes:
            return _refusal(_NOT_SERVED, f"this signer does not sign for purpose {purpose.value}")
        if not _is_of_purpose(message, purpose):
            return _refusal(_NOT_SERVED, f"the message is none that {purpose.value} keys sign")
        signature = self.server.signer.sign(purpose, message)
        value = base64.b64encode(signature.value).decode()
        return {"key_id": signature.key_id, "signature": value}


def _read_request(request: dict[str, Any]) -> tuple[KeyPurpose | None, bytes | None]:
    try:
        message = base64.b64decode(request["message"], validate=True)
        return KeyPurpose(request["purpose"]), message
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None, None


def _is_of_purpose(message: bytes, purpose: KeyPurpose) -> bool:
    """Whether the message is an envelope's encoding with the one type of the purpose."""
    kind = PAYLOAD_TYPES[purpose].encode()
    return message.startswith(b"DSSEv1 %d %b " % (len(kind), kind))


def _user_of(connection: socket.socket) -> int:
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _process, user, _group = _CREDENTIALS.unpack(found)
    return int(user)


def _refusal(reason: str, detail: str) -> dict[str, Any]:
    return {"error": reason, "detail": detail}
