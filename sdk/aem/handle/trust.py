"""The pinned trust root: whose keys this agent believes, decided once and kept on disk."""

import json
import logging
from pathlib import Path

from aem.client import Client
from aem.errors import SdkError
from aem.handle.durable_file import read_whole, write_durably
from aem.handle.errors import CacheCorruptedError, TrustChangedError
from aem.proof import ProofError, TrustRoot
from aem.proof.payload import parse_json

_log = logging.getLogger(__name__)


class PinnedTrust:
    """The trust root that the first configuration pinned, and what its root key made of it.

    Two roots are kept: the *anchor*, as it was first configured, and the *current* one, which the
    anchor's root key may have replaced since. A configuration that still names the anchor stays
    valid after a rotation.
    """

    def __init__(self, path: Path, root: TrustRoot) -> None:
        """Hold what `pin` has read or written."""
        self._path = path
        self._root = root

    @property
    def root(self) -> TrustRoot:
        """The keys that are believed now."""
        return self._root

    @classmethod
    def pin(cls, path: Path, *, given: TrustRoot | None, client: Client) -> "PinnedTrust":
        """Return what is pinned; pin the given root, or the service's own, when nothing is yet.

        Raises:
            TrustChangedError: another root is pinned than the given one.
            CacheCorruptedError: the pinned one cannot be read.
            ClientError, ProofError: nothing is pinned or given, and the service gives no root.
        """
        pinned = _read(path)
        if pinned is None:
            root = given or _first_use(client)
            _write(path, anchor=root, current=root)
            return cls(path, root)
        anchor, current = pinned
        if given is not None and given not in (anchor, current):
            raise TrustChangedError(
                f"another trust root is pinned in {path} than the one given: if the service was"
                " set up anew, remove that file",
                path=str(path),
            )
        return cls(path, current)

    def renew(self, client: Client) -> bool:
        """Take over the service's newer root if the pinned root key signed it; tell if it did.

        Raises:
            TrustChangedError: the service's root is not signed by the pinned root key.
            ClientError: the service gives none.
        """
        try:
            root = TrustRoot.from_envelope(client.trust(), self._root)
        except ProofError as error:
            raise TrustChangedError(
                f"the service's trust root is not the pinned one's successor ({error}): is this"
                f" the right service? if it was set up anew, remove {self._path}",
                path=str(self._path),
            ) from error
        if root == self._root:
            return False
        pinned = _read(self._path)
        _write(self._path, anchor=pinned[0] if pinned else root, current=root)
        self._root = root
        return True


def _first_use(client: Client) -> TrustRoot:
    root = TrustRoot.from_envelope(client.trust())
    _log.warning(
        "no trust root was given: the keys that the service shows now are trusted from here on"
        " (trust on first use); pass `trust` to decide it yourself"
    )
    return root


def _read(path: Path) -> tuple[TrustRoot, TrustRoot] | None:
    content = read_whole(path)
    if content is None:
        return None
    try:
        value = parse_json(content)
        return TrustRoot.from_json(value["anchor"]), TrustRoot.from_json(value["current"])
    except (SdkError, KeyError, TypeError) as error:
        raise CacheCorruptedError(
            f"the pinned trust root in {path} is damaged ({error}): remove it to pin anew",
            path=str(path),
        ) from error


def _write(path: Path, *, anchor: TrustRoot, current: TrustRoot) -> None:
    value = {"anchor": anchor.to_json(), "current": current.to_json()}
    write_durably(path, json.dumps(value, indent=1).encode())
