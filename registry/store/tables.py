"""The registry's tables; triggers let them only grow.

Not so ``artifacts`` and ``channels``, nor ``version_fingerprints``, which can be made anew.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import UtcDateTime, metadata

_DIGEST = String(71)
_ARTIFACT = String(127)
_CHANNEL = String(63)
_ACTOR = String(200)
_ORDER = String(60)
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

artifacts = Table(
    "artifacts",
    metadata,
    Column("name", _ARTIFACT, primary_key=True),
    Column("namespace", _CHANNEL, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_artifacts_namespace", "namespace"),
)
"""``last_number`` is the newest version's; the row's lock orders all changes to an artifact."""

artifact_blobs = Table(
    "artifact_blobs",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("artifact", _ARTIFACT, ForeignKey("artifacts.name"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("source", String(20), nullable=False),
    Column("order_id", _ORDER),
    Column("actor", _ACTOR, nullable=False),
    Column("commit_id", String(40), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("artifact", "number"),
    CheckConstraint("number >= 1", name="number_positive"),
)

version_files = Table(
    "version_files",
    metadata,
    Column("version_digest", _DIGEST, ForeignKey("versions.digest"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("blob_digest", _DIGEST, ForeignKey("artifact_blobs.digest"), nullable=False),
)

version_parents = Table(
    "version_parents",
    metadata,
    Column("version_digest", _DIGEST, ForeignKey("versions.digest"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("parent_digest", _DIGEST, ForeignKey("versions.digest"), nullable=False),
)

version_fingerprints = Table(
    "version_fingerprints",
    metadata,
    Column("fingerprint", BigInteger, primary_key=True, autoincrement=False),
    Column("artifact", _ARTIFACT, ForeignKey("artifacts.name"), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
"""What near-duplicates are found by: each fingerprint once an artifact, with the number of its
first version that has it, so that a small change adds few rows."""

version_yanks = Table(
    "version_yanks",
    metadata,
    Column("digest", _DIGEST, ForeignKey("versions.digest"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", _ACTOR, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

attestations = Table(
    "attestations",
    metadata,
    Column("digest", _DIGEST, ForeignKey("versions.digest"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("envelope_digest", _DIGEST, nullable=False),
    Column("envelope", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("digest", "envelope_digest"),
)

channels = Table(
    "channels",
    metadata,
    Column("artifact", _ARTIFACT, ForeignKey("artifacts.name"), primary_key=True),
    Column("channel", _CHANNEL, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("digest", _DIGEST, ForeignKey("versions.digest"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("pointer", JSON, nullable=False),
    Column("pointer_expires_at", UtcDateTime, nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
    Index("ix_channels_digest", "digest"),
    Index("ix_channels_pointer_expires_at", "pointer_expires_at"),
)
"""The heads. A row changes by a move (generation plus one) or by a fresh pointer to the same."""

channel_moves = Table(
    "channel_moves",
    metadata,
    Column("artifact", _ARTIFACT, primary_key=True),
    Column("channel", _CHANNEL, primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", _DIGEST, ForeignKey("versions.digest"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("previous_digest", _DIGEST),
    Column("cause", String(20), nullable=False),
    Column("restores_generation", BigInteger),
    Column("reason", Text, nullable=False),
    Column("actor", _ACTOR, nullable=False),
    Column("order_id", _ORDER),
    Column("at", UtcDateTime, nullable=False),
)

channel_acknowledgements = Table(
    "channel_acknowledgements",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True),
    Column("artifact", _ARTIFACT, nullable=False),
    Column("channel", _CHANNEL, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("agent", _ACTOR, nullable=False),
    Column("digest", _DIGEST, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["artifact", "channel", "generation"],
        ["channel_moves.artifact", "channel_moves.channel", "channel_moves.generation"],
    ),
    Index("ix_channel_acknowledgements_agent", "artifact", "channel", "agent", "sequence"),
)
