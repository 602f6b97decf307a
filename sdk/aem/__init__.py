"""Client of the AEM service: submit, watch, verify and hot-swap artifacts."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aem.client import Client
    from aem.handle import Answer, Artifact

__all__ = ["Answer", "Artifact", "Client"]

_HOMES = {"Answer": "aem.handle", "Artifact": "aem.handle", "Client": "aem.client"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: who only verifies proofs needs no HTTP client."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aem' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
