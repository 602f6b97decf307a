"""Artifacts, versions, attestations, channels."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0004"
down_revision = "0003"

GUARDS = (
    Guard(table="artifact_blobs", keys=(("digest",),)),
    Guard(
        table="artifacts",
        keys=(("name",),),
        updates=(
            "NEW.name = OLD.name AND NEW.namespace = OLD.namespace"
            " AND NEW.created_at = OLD.created_at AND NEW.last_number = OLD.last_number + 1"
        ),
    ),
    Guard(table="versions", keys=(("digest",), ("artifact", "number"))),
    Guard(table="attestations", keys=(("digest", "position"), ("digest", "envelope_digest"))),
    Guard(table="channel_moves", keys=(("artifact", "channel", "generation"),)),
    Guard(
        table="channels",
        keys=(("artifact", "channel"),),
        updates=(
            "NEW.artifact = OLD.artifact AND NEW.channel = OLD.channel"
            " AND (NEW.generation = OLD.generation + 1 OR (NEW.generation = OLD.generation"
            " AND NEW.digest = OLD.digest AND NEW.number = OLD.number"
            " AND NEW.moved_at = OLD.moved_at))"
        ),
    ),
    Guard(table="version_files", keys=(("version_digest", "path"),)),
    Guard(table="version_parents", keys=(("version_digest", "position"),)),
    Guard(table="version_yanks", keys=(("digest",),)),
    Guard(table="channel_acknowledgements", keys=(("sequence",),)),
)


def upgrade() -> None:
    """Make the tables, then their guards."""
    _create_artifact_blobs()
    _create_artifacts()
    _create_versions()
    _create_attestations()
    _create_channel_moves()
    _create_channels()
    _create_version_files()
    _create_version_parents()
    _create_version_yanks()
    _create_channel_acknowledgements()
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table in (
        "channel_acknowledgements",
        "version_yanks",
        "version_parents",
        "version_files",
        "channels",
        "channel_moves",
        "attestations",
        "versions",
        "artifacts",
        "artifact_blobs",
    ):
        op.drop_table(table)


def _create_artifact_blobs() -> None:
    op.create_table(
        "artifact_blobs",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_artifact_blobs"),
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("name", sa.String(length=127), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_artifacts"),
    )
    op.create_index("ix_artifacts_namespace", "artifacts", ["namespace"], unique=False)


def _create_versions() -> None:
    op.create_table(
        "versions",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("order_id", sa.String(length=60), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("commit_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("number >= 1", name="ck_versions_number_positive"),
        sa.ForeignKeyConstraint(["artifact"], ["artifacts.name"], name="fk_versions_artifact"),
        sa.PrimaryKeyConstraint("digest", name="pk_versions"),
        sa.UniqueConstraint("artifact", "number", name="uq_versions_artifact_number"),
    )


def _create_attestations() -> None:
    op.create_table(
        "attestations",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("envelope_digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["versions.digest"], name="fk_attestations_digest"),
        sa.PrimaryKeyConstraint("digest", "position", name="pk_attestations"),
        sa.UniqueConstraint(
            "digest", "envelope_digest", name="uq_attestations_digest_envelope_digest"
        ),
    )


def _create_channel_moves() -> None:
    op.create_table(
        "channel_moves",
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("previous_digest", sa.String(length=71), nullable=True),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("restores_generation", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("order_id", sa.String(length=60), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["versions.digest"], name="fk_channel_moves_digest"),
        sa.PrimaryKeyConstraint("artifact", "channel", "generation", name="pk_channel_moves"),
    )


def _create_channels() -> None:
    op.create_table(
        "channels",
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("pointer", sa.JSON(), nullable=False),
        sa.Column("pointer_expires_at", UtcDateTime(), nullable=False),
        sa.Column("moved_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["artifact"], ["artifacts.name"], name="fk_channels_artifact"),
        sa.ForeignKeyConstraint(["digest"], ["versions.digest"], name="fk_channels_digest"),
        sa.PrimaryKeyConstraint("artifact", "channel", name="pk_channels"),
    )
    op.create_index("ix_channels_digest", "channels", ["digest"], unique=False)
    op.create_index(
        "ix_channels_pointer_expires_at", "channels", ["pointer_expires_at"], unique=False
    )


def _create_version_files() -> None:
    op.create_table(
        "version_files",
        sa.Column("version_digest", sa.String(length=71), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("blob_digest", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_digest"], ["artifact_blobs.digest"], name="fk_version_files_blob_digest"
        ),
        sa.ForeignKeyConstraint(
            ["version_digest"], ["versions.digest"], name="fk_version_files_version_digest"
        ),
        sa.PrimaryKeyConstraint("version_digest", "path", name="pk_version_files"),
    )


def _create_version_parents() -> None:
    op.create_table(
        "version_parents",
        sa.Column("version_digest", sa.String(length=71), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parent_digest", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_digest"], ["versions.digest"], name="fk_version_parents_parent_digest"
        ),
        sa.ForeignKeyConstraint(
            ["version_digest"], ["versions.digest"], name="fk_version_parents_version_digest"
        ),
        sa.PrimaryKeyConstraint("version_digest", "position", name="pk_version_parents"),
    )


def _create_version_yanks() -> None:
    op.create_table(
        "version_yanks",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["versions.digest"], name="fk_version_yanks_digest"),
        sa.PrimaryKeyConstraint("digest", name="pk_version_yanks"),
    )


def _create_channel_acknowledgements() -> None:
    op.create_table(
        "channel_acknowledgements",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact", "channel", "generation"],
            ["channel_moves.artifact", "channel_moves.channel", "channel_moves.generation"],
            name="fk_channel_acknowledgements_artifact_channel_generation",
        ),
        sa.PrimaryKeyConstraint("sequence", name="pk_channel_acknowledgements"),
    )
    op.create_index(
        "ix_channel_acknowledgements_agent",
        "channel_acknowledgements",
        ["artifact", "channel", "agent", "sequence"],
        unique=False,
    )
