"""What the registry keeps: versions, their evidence, channels and who runs what.

A version is immutable and named by the digest of its content alone; everything else (parents,
reports, yanks, channels) refers to that digest (paper, sections 3.3 and 7.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from aem.proof import Envelope, Statement
from registry.errors import NameRefusedError, ReasonRequiredError

NAME_LIMIT_CHARACTERS = 63
"""Of a namespace, an artifact's own name and a channel: what a DNS label may have."""

REASON_LIMIT_CHARACTERS = 2000

PAGE_LIMIT_ROWS = 200

_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{NAME_LIMIT_CHARACTERS - 1}}}")

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """A part of a listing, and the cursor that continues it; None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class ArtifactName:
    """``namespace/name``: the namespace is the owning team's."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "ArtifactName":
        """Read ``namespace/name``.

        Raises:
            NameRefusedError: it has another form.
        """
        namespace, _, name = text.partition("/")
        return cls(namespace=require_name(namespace), name=require_name(name))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def require_name(text: str) -> str:
    """Return the text if it can name a namespace, an artifact within it, or a channel.

    Raises:
        NameRefusedError: it cannot.
    """
    if not _NAME.fullmatch(text):
        raise NameRefusedError(
            f"{text[: 2 * NAME_LIMIT_CHARACTERS]!r} cannot be a name: 1 to"
            f" {NAME_LIMIT_CHARACTERS} of a-z, 0-9 and -, starting with a letter or digit"
        )
    return text


def require_reason(text: str) -> str:
    """Return the reason without outer blanks.

    Raises:
        ReasonRequiredError: nothing is left of it, or it is too long to be read.
    """
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_LIMIT_CHARACTERS:
        raise ReasonRequiredError(
            f"say why, in 1 to {REASON_LIMIT_CHARACTERS} characters: the reason is kept for good"
        )
    return reason


class VersionSource(StrEnum):
    """How a version came to be."""

    SUBMITTED = "submitted"  # as its owner sent it: the baseline of an order
    ORDER = "order"  # made by an order


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A line of versions under one name.

    Attributes:
        name: ``namespace/name``.
        latest_number: of its newest version.
        created_at: when the first version was published.
    """

    name: str
    latest_number: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Yank:
    """A version's withdrawal. The bytes stay; no channel takes the version any more."""

    digest: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Version:
    """One immutable state of an artifact.

    Attributes:
        artifact: ``namespace/name``.
        number: grows by one with every version of the artifact.
        digest: of the content, ``sha256:...``: the identity.
        kind: of the artifact's format: python, prompt or policy.
        parents: digests of the versions that it was made from, the main one first.
        source: how it came to be.
        order_id: the order that submitted or made it, if any.
        actor: who published it.
        commit: SHA-1 of its Git commit, in hex: known before any repository holds it.
        created_at: when it was published.
        yank: its withdrawal, if any.
    """

    artifact: str
    number: int
    digest: str
    kind: str
    parents: tuple[str, ...]
    source: VersionSource
    order_id: str | None
    actor: str
    commit: str
    created_at: datetime
    yank: Yank | None


@dataclass(frozen=True, kw_only=True)
class GoldEvidence:
    """What a gold report's attestation states about a version.

    Attributes:
        accepted: the verdict.
        reason: why, in the judge's words.
        gold_digest: of the dataset that it was judged by.
        incumbent_digest: of the version that it was compared with; None for a first one.
        order_id: the order that paid for the judging, if any.
        isolation: what the sandbox says of itself.
        cost: figures with their units in the names.
        report: the report as its public may read it.
    """

    accepted: bool
    reason: str
    gold_digest: str
    incumbent_digest: str | None
    order_id: str | None
    isolation: Mapping[str, Any]
    cost: Mapping[str, Any]
    report: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """A signed statement about a version, checked when it was read."""

    envelope: Envelope
    statement: Statement
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ChannelState:
    """What a channel serves now.

    Attributes:
        artifact: ``namespace/name``.
        channel: such as ``production``.
        generation: 1 for the first move, one more for each further one.
        digest: of the version.
        number: of the version.
        pointer: the signed `aem.proof.ChannelPointer` that says the same.
        pointer_expires_at: from when on clients ask for a newer pointer.
        moved_at: when the channel got this generation.
    """

    artifact: str
    channel: str
    generation: int
    digest: str
    number: int
    pointer: Envelope
    pointer_expires_at: datetime
    moved_at: datetime


class MoveCause(StrEnum):
    """Why a channel moved."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One entry of a channel's history.

    Attributes:
        artifact: ``namespace/name``.
        channel: such as ``production``.
        generation: that the move made.
        digest: of the version that ran from then on.
        number: of that version.
        previous_digest: of what ran before; None for the first move.
        cause: promotion or rollback.
        restores_generation: the promotion whose state a rollback brought back.
        reason: why, in the words of who moved it.
        actor: who moved it.
        order_id: the order that moved it, if any.
        at: when; never before the move before.
    """

    artifact: str
    channel: str
    generation: int
    digest: str
    number: int
    previous_digest: str | None
    cause: MoveCause
    restores_generation: int | None
    reason: str
    actor: str
    order_id: str | None
    at: datetime

    @property
    def promoted_generation(self) -> int:
        """The promotion that this state goes back to: a second rollback continues from there."""
        return self.restores_generation or self.generation


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """An agent's answer to a move: it runs the version (ACK), or stays on its own (NACK).

    Attributes:
        agent: who answers.
        artifact: ``namespace/name``.
        channel: such as ``production``.
        generation: of the move that is answered.
        digest: of that move's version.
        accepted: whether the agent runs it.
        reason: why not; "" where there is nothing to say.
        at: when the answer came.
    """

    agent: str
    artifact: str
    channel: str
    generation: int
    digest: str
    accepted: bool
    reason: str
    at: datetime


def channel_topic(artifact: str, channel: str) -> str:
    """Return the event topic that a channel's agents follow."""
    return f"channel:{artifact}:{channel}"
