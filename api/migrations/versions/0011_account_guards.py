"""Guards of accounts and holds: their sums only grow, and what they are for stays."""

from alembic import op

from core.guards import Guard, creation, removal

revision = "0011"
down_revision = "0010"


def _same(*columns: str) -> str:
    return " AND ".join(f"NEW.{column} = OLD.{column}" for column in columns)


def _same_or_none(column: str) -> str:
    """Compare what may be NULL; the result is never NULL, which a trigger takes for no breach."""
    both_none = f"NEW.{column} IS NULL AND OLD.{column} IS NULL"
    return f"(({both_none}) OR COALESCE(NEW.{column} = OLD.{column}, 1 = 0))"


GUARDS = (
    Guard(
        table="ledger_accounts",
        keys=(("code",),),
        updates=(
            f"{_same('code', 'currency')} AND {_same_or_none('floor')}"
            " AND NEW.credits_posted >= OLD.credits_posted"
            " AND NEW.debits_posted >= OLD.debits_posted"
        ),
    ),
    Guard(
        table="ledger_holds",
        keys=(("id",),),
        updates=(
            f"{_same('id', 'debit', 'credit', 'amount', 'currency', 'kind', 'reference')}"
            f" AND {_same_or_none('expires_at')} AND OLD.status = 'open'"
        ),
    ),
)


def upgrade() -> None:
    """Make the guards."""
    for statement in creation(op.get_context().dialect.name, GUARDS):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    for statement in removal(op.get_context().dialect.name, GUARDS):
        op.execute(statement)
