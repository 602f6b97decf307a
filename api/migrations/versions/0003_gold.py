"""Gold datasets, tries and reports."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime
from core.guards import Guard, creation, removal

revision = "0003"
down_revision = "0002"

GUARDS = (
    Guard(table="gold_datasets", keys=(("digest",),)),
    Guard(table="gold_files", keys=(("dataset_digest", "path"),)),
    Guard(table="gold_holdout_inputs", keys=(("dataset_digest", "fingerprint"),)),
    Guard(table="gold_reports", keys=(("id",),)),
    Guard(table="gold_tries", keys=(("order_id", "dataset_digest"),)),
    Guard(table="gold_attested_shares", keys=(("report_id",),)),
)


def upgrade() -> None:
    """Make the tables, then their guards."""
    _create_gold_datasets()
    _create_gold_files()
    _create_gold_holdout_inputs()
    _create_gold_reports()
    _create_gold_tries()
    _create_gold_attested_shares()
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    for table in (
        "gold_attested_shares",
        "gold_tries",
        "gold_reports",
        "gold_holdout_inputs",
        "gold_files",
        "gold_datasets",
    ):
        op.drop_table(table)


def _create_gold_datasets() -> None:
    op.create_table(
        "gold_datasets",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("name", sa.String(length=130), nullable=False),
        sa.Column("owner", sa.String(length=130), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("frozen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_gold_datasets"),
    )
    op.create_index("ix_gold_datasets_name", "gold_datasets", ["name"], unique=False)


def _create_gold_files() -> None:
    op.create_table(
        "gold_files",
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_digest"], ["gold_datasets.digest"], name="fk_gold_files_dataset_digest"
        ),
        sa.PrimaryKeyConstraint("dataset_digest", "path", name="pk_gold_files"),
    )


def _create_gold_holdout_inputs() -> None:
    op.create_table(
        "gold_holdout_inputs",
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("fingerprint", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_digest"],
            ["gold_datasets.digest"],
            name="fk_gold_holdout_inputs_dataset_digest",
        ),
        sa.PrimaryKeyConstraint("dataset_digest", "fingerprint", name="pk_gold_holdout_inputs"),
    )
    op.create_index(
        "ix_gold_holdout_inputs_fingerprint", "gold_holdout_inputs", ["fingerprint"], unique=False
    )


def _create_gold_reports() -> None:
    op.create_table(
        "gold_reports",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("artifact", sa.String(length=130), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("candidate_digest", sa.String(length=71), nullable=False),
        sa.Column("incumbent_digest", sa.String(length=71), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("judged_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_digest"], ["gold_datasets.digest"], name="fk_gold_reports_dataset_digest"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_gold_reports"),
    )
    op.create_index("ix_gold_reports_order_id", "gold_reports", ["order_id"], unique=False)


def _create_gold_tries() -> None:
    op.create_table(
        "gold_tries",
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_digest"], ["gold_datasets.digest"], name="fk_gold_tries_dataset_digest"
        ),
        sa.PrimaryKeyConstraint("order_id", "dataset_digest", name="pk_gold_tries"),
    )
    op.create_index("ix_gold_tries_dataset_digest", "gold_tries", ["dataset_digest"], unique=False)


def _create_gold_attested_shares() -> None:
    op.create_table(
        "gold_attested_shares",
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("artifact", sa.String(length=130), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("satisfied", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["gold_reports.id"], name="fk_gold_attested_shares_report_id"
        ),
        sa.PrimaryKeyConstraint("report_id", name="pk_gold_attested_shares"),
    )
    op.create_index(
        "ix_gold_attested_shares_artifact", "gold_attested_shares", ["artifact"], unique=False
    )
