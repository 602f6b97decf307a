"""PostgreSQL no longer looks up the accounts of every transfer; SQLite goes on (ADR 22)."""

from alembic import op

revision = "0015"
down_revision = "0014"

_SIDES = ("debit", "credit")


def upgrade() -> None:
    """Drop the foreign keys: both accounts are locked by whoever posts, and are never removed."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for side in _SIDES:
        op.drop_constraint(f"fk_ledger_transfers_{side}", "ledger_transfers", type_="foreignkey")


def downgrade() -> None:
    """Undo `upgrade`."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for side in _SIDES:
        op.create_foreign_key(
            f"fk_ledger_transfers_{side}", "ledger_transfers", "ledger_accounts", [side], ["code"]
        )
