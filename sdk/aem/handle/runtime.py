"""Runtimes: the port through which a loaded version is called."""

from collections.abc import Callable
from typing import Any, Protocol

from aem.artifact import Bundle, Entry
from aem.handle.errors import UnsupportedKindError


class Runtime(Protocol):
    """One loaded version. `call` may be used by many threads at once."""

    def call(self, value: Any) -> Any:
        """Return the artifact's answer to an input, both JSON values.

        Raises:
            CallFailedError: the artifact raised, crashed, or passed a limit.
            InputRefusedError: the input is no JSON value.
        """
        ...

    def close(self) -> None:
        """Give everything back; no call is running, and none will come."""
        ...


RuntimeFactory = Callable[[Bundle], Runtime]
"""Loads a version.

Raises:
    LoadFailedError: it cannot be imported.
    NotIsolatedError: it must not be loaded here.
    UnsupportedKindError: it is of another kind.
"""


def require_entry(bundle: Bundle) -> Entry:
    """Return what to call in the bundle.

    Raises:
        UnsupportedKindError: it is no Python artifact.
    """
    entry = bundle.manifest.entry
    if entry is None:
        raise UnsupportedKindError(
            f"{bundle.manifest.name} is a {bundle.manifest.kind.value} artifact, which"
            " handles do not run"
        )
    return entry
