"""Signatures: the port that rooms sign through, key files, and a signer in a process of its own.

Every purpose has a key of its own, so that one that leaks cannot speak for another.
"""

from core.signing.client import SocketSigner
from core.signing.errors import KeyRotationError, SignerUnavailableError, SigningKeyError
from core.signing.key_files import KeyFileSigner
from core.signing.port import Signer
from core.signing.server import SERVED_PURPOSES, SignerServer

__all__ = [
    "SERVED_PURPOSES",
    "KeyFileSigner",
    "KeyRotationError",
    "Signer",
    "SignerServer",
    "SignerUnavailableError",
    "SigningKeyError",
    "SocketSigner",
]
