"""Acknowledgements: telling the service what an agent runs, or why it does not."""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from aem.client import ApiError, Client
from aem.errors import SdkError
from aem.proof import ChannelPointer

_log = logging.getLogger(__name__)

MAX_REASON_CHARACTERS = 400
"""How much of a refusal's message the service is told."""


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """An agent's answer to a move of its channel; the reason is empty when it accepts."""

    digest: str
    generation: int
    accepted: bool
    reason: str


class Acknowledgements:
    """Keeps the newest answer until the service has it."""

    def __init__(self, *, client: Client, artifact: str, channel: str, agent: str) -> None:
        """Keep the collaborators; nothing is sent."""
        self._client = client
        self._artifact = artifact
        self._channel = channel
        self._agent = agent
        self._unsent: Acknowledgement | None = None

    def accept(self, pointer: ChannelPointer) -> None:
        """Note that the version is in use."""
        self._unsent = Acknowledgement(
            digest=pointer.digest, generation=pointer.generation, accepted=True, reason=""
        )

    def refuse(self, pointer: ChannelPointer, error: SdkError) -> None:
        """Note that the version is not taken into use, and why."""
        self._unsent = Acknowledgement(
            digest=pointer.digest,
            generation=pointer.generation,
            accepted=False,
            reason=f"{error.reason}: {error.message}"[:MAX_REASON_CHARACTERS],
        )

    def send(self) -> None:
        """Tell the service what is noted; nothing, when it knows.

        Raises:
            ClientError: the service cannot be told now.
        """
        unsent = self._unsent
        if unsent is None:
            return
        try:
            self._client.acknowledge(
                self._artifact,
                self._channel,
                agent=self._agent,
                digest=unsent.digest,
                generation=unsent.generation,
                accepted=unsent.accepted,
                reason=unsent.reason,
            )
        except ApiError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            # Such as a forged move that the service never made: asking again changes nothing.
            _log.warning("%s: the service records no answer: %s", self._artifact, error)
        self._unsent = None
