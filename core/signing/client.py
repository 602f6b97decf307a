"""The signer's client: keys that live in another process (`core.signing.server`)."""

import base64
import binascii
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aem.proof import Envelope, KeyPurpose, ProofError, Signature, TrustedKey, TrustRoot
from core.signing.errors import SignerUnavailableError, SigningKeyError
from core.signing.frames import FrameError, receive_frame, send_frame

CALL_TIMEOUT_S = 10.0


class SocketSigner:
    """Asks a signer on a Unix socket; one connection for each request, so it may come and go."""

    def __init__(self, path: Path) -> None:
        """Remember the socket; nothing is sent."""
        self._path = path

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        """Have the message signed; see `Signer`."""
        request = {
            "operation": "sign",
            "purpose": purpose.value,
            "message": base64.b64encode(message).decode(),
        }
        answer = self._ask(request)
        try:
            value = base64.b64decode(answer["signature"], validate=True)
            return Signature(key_id=str(answer["key_id"]), value=value)
        except (KeyError, TypeError, binascii.Error) as error:
            raise self._unavailable(f"its answer holds no signature: {error}") from error

    def trust(self) -> Envelope:
        """Return the signed trust root; see `Signer`."""
        try:
            return Envelope.from_json(self._ask({"operation": "trust"}).get("trust"))
        except ProofError as error:
            raise self._unavailable(f"its answer holds no trust root: {error}") from error

    def public_keys(self) -> Sequence[TrustedKey]:
        """Return the trust root's keys; see `Signer`."""
        try:
            return TrustRoot.from_envelope(self.trust()).keys
        except ProofError as error:
            raise SigningKeyError(f"the signer's trust root is none: {error}") from error

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(CALL_TIMEOUT_S)
                connection.connect(str(self._path))
                send_frame(connection, request)
                answer = receive_frame(connection)
        except (OSError, FrameError) as error:
            raise self._unavailable(str(error)) from error
        if "error" in answer:
            raise SigningKeyError(f"the signer at {self._path} refused: {answer.get('detail')}")
        return answer

    def _unavailable(self, why: str) -> SignerUnavailableError:
        return SignerUnavailableError(
            f"the signer at {self._path} gives no answer ({why}): is `aem signer serve` running?"
        )
