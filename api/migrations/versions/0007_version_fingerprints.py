"""Fingerprints of versions, by which near-duplicates are found."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table; it has no guard, since it can be made anew from the versions."""
    op.create_table(
        "version_fingerprints",
        sa.Column("fingerprint", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("artifact", sa.String(length=127), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.name"], name="fk_version_fingerprints_artifact"
        ),
        sa.PrimaryKeyConstraint("fingerprint", "artifact", name="pk_version_fingerprints"),
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.drop_table("version_fingerprints")
