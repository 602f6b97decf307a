"""The digest of an isolation's settings, by which an attestation names them."""

from collections.abc import Mapping
from typing import Any

from aem.proof import canonical_json, digest_of


def profile_digest(profile: Mapping[str, Any]) -> str:
    """Return SHA-256 over the canonical JSON of all that shapes the isolation."""
    return digest_of(canonical_json(dict(profile)))
