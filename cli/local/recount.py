"""Checks afterwards that every answer is the one of the version that it names."""

from collections.abc import Sequence
from typing import Any

from aem.client import Client
from aem.handle import InProcessRuntime
from cli.local.steady_calls import Call


class Recount:
    """Recomputes answers with the versions' own bytes, as the registry has them."""

    def __init__(self, client: Client, inputs: Sequence[Any]) -> None:
        """Keep the parts; versions are fetched when they are first named."""
        self._client = client
        self._inputs = inputs
        self._runtimes: dict[str, InProcessRuntime] = {}
        self._known: dict[tuple[str, int], Any] = {}

    def check(self, calls: Sequence[Call]) -> dict[str, int]:
        """Count calls, those that failed, and those whose answer is not its version's."""
        answered = [call for call in calls if call.answer is not None]
        return {
            "calls": len(calls),
            "failed": len(calls) - len(answered),
            "mixed": sum(not self._is_own(call) for call in answered),
        }

    def _is_own(self, call: Call) -> bool:
        if call.answer is None:
            return False
        key = (call.answer.digest, call.number)
        if key not in self._known:
            runtime = self._runtime(call.answer.digest)
            self._known[key] = runtime.call(self._inputs[call.number])
        return bool(self._known[key] == call.answer.output)

    def _runtime(self, digest: str) -> InProcessRuntime:
        if digest not in self._runtimes:
            self._runtimes[digest] = InProcessRuntime(self._client.bundle(digest))
        return self._runtimes[digest]
