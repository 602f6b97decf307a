"""Who runs what: the answers of agents to the moves of their channels."""

from sqlalchemy.orm import Session

from core.clock import Clock
from registry.domain import REASON_LIMIT_CHARACTERS, Acknowledgement, Page
from registry.errors import AcknowledgementRefusedError
from registry.paging import clamp_limit, make_page
from registry.store import channels as store


class Deployments:
    """The answers of all agents. No method commits; each works in its caller's session."""

    def __init__(self, *, clock: Clock) -> None:
        """Keep the collaborator; no I/O."""
        self._clock = clock

    def acknowledge(
        self,
        session: Session,
        *,
        agent: str,
        artifact: str,
        channel: str,
        digest: str,
        generation: int,
        accepted: bool,
        reason: str = "",
    ) -> Acknowledgement:
        """Record an agent's answer to a move: it runs the version, or why it does not.

        Raises:
            AcknowledgementRefusedError: the channel never made that move, or the reason is too
                long or missing from a refusal.
        """
        move = store.find_move(session, artifact, channel, generation)
        if move is None or move.digest != digest:
            raise AcknowledgementRefusedError(
                f"{artifact} {channel} has no generation {generation} with version {digest}"
            )
        if len(reason) > REASON_LIMIT_CHARACTERS or not (accepted or reason.strip()):
            raise AcknowledgementRefusedError(
                f"a refusal says why, in at most {REASON_LIMIT_CHARACTERS} characters"
            )
        answer = Acknowledgement(
            agent=agent,
            artifact=artifact,
            channel=channel,
            generation=generation,
            digest=digest,
            accepted=accepted,
            reason=reason.strip(),
            at=self._clock.now(),
        )
        store.add_acknowledgement(session, answer)
        return answer

    def list(
        self,
        session: Session,
        artifact: str,
        channel: str,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Acknowledgement]:
        """Return a page of the agents on the channel with the last answer of each, by agent."""
        limit = clamp_limit(limit)
        found = store.list_latest_acknowledgements(
            session, artifact, channel, after_agent=cursor or "", limit=limit + 1
        )
        return make_page(found, limit, lambda answer: answer.agent)
