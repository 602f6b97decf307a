"""Prompts: nothing runs here. The host renders the template and asks a model, case by case."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aem.artifact import (
    ArtifactError,
    Bundle,
    ChatModel,
    Prompt,
    PromptSettings,
    parse_reply,
    read_prompt,
)
from aem.isolation import CaseStatus
from aem.proof import canonical_json, digest_of
from sandbox.domain import CaseRun, LoadOutcome, SandboxLimits, SandboxUsage
from sandbox.errors import SessionExpiredError, VariantNotLoadedError

FORMAT_VERSION = "1"
"""Of how templates are rendered and replies are read: another one would judge otherwise."""

MS_PER_S = 1000


class PromptSandbox:
    """Implements `Sandbox` for prompts: sessions that ask one `ChatModel`.

    There is no foreign code, so there is nothing to isolate: a template cannot reach anything but
    the model's messages, and a reply is bytes that the judge parses.
    """

    name = "prompt"

    def __init__(
        self,
        models: ChatModel,
        *,
        settings: PromptSettings,
        provider: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the collaborators; no I/O.

        Args:
            models: performs the calls, whatever they cost.
            settings: of the prompt that is attested.
            provider: who serves its model, for the attestation.
            monotonic_s: the host's clock for deadlines, in seconds.
        """
        self._models = models
        self._settings = settings
        self._provider = provider
        self._monotonic_s = monotonic_s

    def isolation(self) -> Mapping[str, Any]:
        """Return what an attestation records: which model answered, and how it was asked.

        ``profile`` is the digest of the settings; there is no image and no Python.
        """
        settings = self._settings
        sampling = {
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "seed": settings.seed,
            "stop": list(settings.stop),
            "constraint": settings.constraint.value,
        }
        asked = {"model": settings.model, "provider": self._provider, "sampling": sampling}
        return {
            "engine": self.name,
            "engine_version": FORMAT_VERSION,
            "profile": digest_of(canonical_json(asked)),
            "image": None,
            "python": None,
            "degraded": False,
            "notice": None,
            **asked,
        }

    def open(self, *, limits: SandboxLimits, label: str) -> "PromptSession":
        """Open a session; its deadline begins now."""
        return PromptSession(
            self._models, limits=limits, label=label, monotonic_s=self._monotonic_s
        )

    def close(self) -> None:
        """Do nothing: nothing is kept between sessions."""


class PromptSession:
    """Implements `SandboxSession`; for one thread, as its `ChatModel` is.

    Of the limits, the session's seconds, a case's seconds and its output bytes count. A call under
    way is not cut off at a case's limit, since it is paid for whole; an answer that comes too late
    is a timeout. Whoever performs the calls bounds each one's time.
    """

    def __init__(
        self,
        models: ChatModel,
        *,
        limits: SandboxLimits,
        label: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin the deadline."""
        self._models = models
        self._limits = limits
        self._label = label
        self._monotonic_s = monotonic_s
        self._variants: dict[str, Prompt | LoadOutcome] = {}
        self._cases = 0
        self._output_bytes = 0
        self._opened_at_s = monotonic_s()
        self._closed_at_s: float | None = None

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        self.close()

    def load(self, variant: str, bundle: Bundle) -> LoadOutcome:
        """Parse and check a prompt under a name (see `SandboxSession.load`); asks no model."""
        self._require_open()
        try:
            self._variants[variant] = read_prompt(bundle)
        except ArtifactError as error:
            outcome = LoadOutcome(status="error", error=error.message)
            self._variants[variant] = outcome
            return outcome
        return LoadOutcome(status="loaded")

    def run(
        self,
        variant: str,
        case_id: str,
        input: Any,  # noqa: A002 - the port's name
        *,
        trace_lines: bool = False,  # noqa: ARG002 - nothing is executed, so no line is told
    ) -> CaseRun:
        """Ask the model about a case (see `SandboxSession.run`).

        Raises:
            VariantNotLoadedError: the variant was never given to `load`, or it was dropped.
            SessionExpiredError: the session's deadline has passed, or it is closed.
            Exception: what the model's performer raises, such as an `InfrastructureError` of the
                provider or an exhausted budget; it says nothing of the prompt.
        """
        self._require_open()
        if variant not in self._variants:
            raise VariantNotLoadedError(f"load {variant!r} before running cases on it")
        self._cases += 1
        prompt = self._variants[variant]
        if isinstance(prompt, LoadOutcome):
            return CaseRun(case_id=case_id, status="error", error=prompt.error, wall_ms=0)
        started_at_s = self._monotonic_s()
        status, output, error, latency_ms = self._answer(prompt, input)
        # What a provider refused before it answered took time that is not the prompt's.
        wall_ms = self._ms_since(started_at_s) if latency_ms is None else latency_ms
        if wall_ms > self._limits.case_wall_s * MS_PER_S:
            status, output = "timeout", None
            error = f"the answer took {wall_ms} ms, and a case has {self._limits.case_wall_s} s"
        self._output_bytes += len(output or b"")
        return CaseRun(
            case_id=case_id, status=status, output_text=output, error=error, wall_ms=wall_ms
        )

    def drop(self, variant: str) -> None:
        """Forget a variant (see `SandboxSession.drop`)."""
        self._require_open()
        self._variants.pop(variant, None)

    def usage(self) -> SandboxUsage:
        """Return the time that the session was open; no processor or memory is the prompt's."""
        end_s = self._monotonic_s() if self._closed_at_s is None else self._closed_at_s
        return SandboxUsage(
            wall_ms=round((end_s - self._opened_at_s) * MS_PER_S),
            cpu_ms=0,
            memory_peak_bytes=0,
            output_bytes=self._output_bytes,
            cases=self._cases,
        )

    def close(self) -> None:
        """End the session; again, does nothing."""
        if self._closed_at_s is None:
            self._closed_at_s = self._monotonic_s()

    def _answer(
        self, prompt: Prompt, value: Any
    ) -> tuple[CaseStatus, bytes | None, str | None, int | None]:
        """Return status, output and error of a case, and how long its reply says that it took."""
        latency_ms = None
        try:
            reply = self._models.complete(prompt.render(value))
            latency_ms = reply.latency_ms
            output = parse_reply(reply)
        except ArtifactError as error:
            return "error", None, error.message, latency_ms
        if len(output) > self._limits.output_bytes:
            return "output_too_large", None, "the output grew past its limit", latency_ms
        return "answered", output, None, latency_ms

    def _require_open(self) -> None:
        end_s = self._opened_at_s + self._limits.session_s
        if self._closed_at_s is None and self._monotonic_s() < end_s:
            return
        raise SessionExpiredError(
            f"the session {self._label} is over: it had {self._limits.session_s} s",
            session_s=self._limits.session_s,
        )

    def _ms_since(self, started_at_s: float) -> int:
        return round((self._monotonic_s() - started_at_s) * MS_PER_S)
