"""Batches keep their keys, so that nothing posts twice; names of budgets fit where they stand."""

import sqlalchemy as sa
from alembic import op

from core.guards import Guard, creation, removal

revision = "0017"
down_revision = "0016"

GUARDS = (
    Guard(
        table="ledger_batches",
        keys=(("key",),),
        updates=(
            "NEW.key = OLD.key AND NEW.request_hash = OLD.request_hash AND NEW.at = OLD.at"
            " AND OLD.outcomes IS NULL"
        ),
        deletes="OLD.request_hash = ''",  # claimed to look, and posted by nobody
        is_claimed=True,
    ),
)

_NAMES = (
    ("ledger_budget_settings", "id"),
    ("ledger_issuance_decisions", "id"),
    ("ledger_log_entries", "record_id"),
)


def upgrade() -> None:
    """Make the guards, and room for names with a number or day after them."""
    _resize(160)
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
    _resize(100)


def _resize(characters: int) -> None:
    """SQLite counts no characters."""
    if op.get_context().dialect.name == "sqlite":
        return
    for table, column in _NAMES:
        op.alter_column(table, column, type_=sa.String(length=characters))
