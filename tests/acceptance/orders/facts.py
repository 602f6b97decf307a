"""What an order left behind: what a crash must not change, and what it may."""

import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause, bindparam, select, text

from api.composition import LOG_ORIGIN
from core.database import Database, UtcDateTime, make_engine, metadata
from core.signing import KeyFileSigner
from ledger import Audit
from tests.acceptance.orders.order_process import LATE_S, NOON, World

UNFINISHED_WORK = """
    SELECT attempt_id, order_id FROM order_work
    WHERE dispatched_at IS NOT NULL AND finished_at IS NULL
"""
QUERIES = {
    "versions": "SELECT artifact, number, digest FROM versions ORDER BY 1, 2",
    "channels": "SELECT artifact, channel, generation, digest FROM channel_moves ORDER BY 1, 2, 3",
    "listings": "SELECT artifact, digest, number, making_cost_utok, price_utok"
    " FROM market_listings ORDER BY 1, 2, 3",
    "reports": "SELECT candidate_digest, incumbent_digest, accepted FROM gold_reports",
    "tries": "SELECT order_id, number FROM gold_tries",
    "attestations": "SELECT digest, count(*) AS attestations FROM attestations GROUP BY digest"
    " ORDER BY 1",
    "events": "SELECT kind FROM events WHERE topic LIKE 'order:%' AND kind <> 'progress'"
    " ORDER BY sequence",
    "files": "SELECT role, length(content) FROM order_files ORDER BY 1",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is found in a world in which one order was run.

    Attributes:
        outcome: what every run of the order must leave, whatever happened on the way.
        balances: of every account.
        lost: attempts whose outcome was lost, with what the reserve burned for them, in utok,
            what is in suspense for them, in nusd, and with whom.
        unfinished: what must not be there once an order has ended.
    """

    outcome: dict[str, Any]
    balances: dict[str, int]
    lost: dict[str, tuple[int, int, str]]
    unfinished: dict[str, Any]


def read_facts(world: World, *, late_s: float = LATE_S) -> Facts:
    """Read the facts; `late_s` is the latest that any clock showed, after noon."""
    database = Database(make_engine(world.database_url))
    try:
        with database.reading() as session:
            rows = {
                name: [dict(row._mapping) for row in session.execute(_bound(query, late_s))]
                for name, query in (QUERIES | _MONEY | _UNFINISHED).items()
            }
            order = dict(session.execute(select(metadata.tables["orders"])).one()._mapping)
            signer = KeyFileSigner(world.settings().keys_folder)
            audit = Audit(signer=signer, origin=LOG_ORIGIN).verify(session)
    finally:
        database.dispose()
    unfinished = {name: rows[name] for name in _UNFINISHED if rows[name]}
    if not audit.verified:
        unfinished["audit"] = audit.to_json()
    return Facts(
        outcome=_anonymous(
            {name: rows[name] for name in QUERIES} | {"order": order, "tags": _tags(world)},
            order["id"],
        ),
        balances={
            row["code"].replace(order["id"], "ORDER"): row["balance"] for row in rows["accounts"]
        },
        lost={
            row["id"].replace(order["id"], "ORDER"): (
                row["burn_utok"],
                row["bound_nusd"],
                row["provider"],
            )
            for row in rows["lost"]
        },
        unfinished=unfinished,
    )


def unfinished_attempts(world: World) -> set[str]:
    """Return the attempts that started and left no result: a restart must give them up."""
    database = Database(make_engine(world.database_url))
    try:
        with database.reading() as session:
            rows = session.execute(text(UNFINISHED_WORK))
            return {row.attempt_id.replace(row.order_id, "ORDER") for row in rows}
    finally:
        database.dispose()


def order_state(world: World) -> str | None:
    """Return the state of the world's order, once there is one."""
    database = Database(make_engine(world.database_url))
    try:
        with database.reading() as session:
            return session.execute(text("SELECT state FROM orders")).scalar()
    finally:
        database.dispose()


def channel_history(world: World) -> list[tuple[Any, ...]]:
    """Return generation, version and cause of the channel's moves, and its events' kinds."""
    queries = (
        "SELECT generation, number, cause FROM channel_moves ORDER BY generation",
        "SELECT sequence, kind FROM events WHERE topic LIKE 'channel:%' ORDER BY sequence",
    )
    database = Database(make_engine(world.database_url))
    try:
        with database.reading() as session:
            return [tuple(row) for query in queries for row in session.execute(text(query))]
    finally:
        database.dispose()


def differences(crashed: Facts, whole: Facts, *, lost: set[str]) -> list[str]:
    """Say what a crashed run left that a whole one would not have; `lost` explains money."""
    lost = lost | whole.lost.keys()
    found = [f"left unfinished: {name}: {rows}" for name, rows in crashed.unfinished.items()]
    if crashed.lost.keys() != lost:
        found.append(f"lost {sorted(crashed.lost)}, but {sorted(lost)} were under way")
    found += [
        f"{name}: {crashed.outcome[name]} instead of {value}"
        for name, value in whole.outcome.items()
        if crashed.outcome[name] != value
    ]
    expected = _with_losses(whole, crashed)
    found += [
        f"{code} has {crashed.balances.get(code, 0)} instead of {expected.get(code, 0)}"
        for code in sorted(expected.keys() | crashed.balances.keys())
        if crashed.balances.get(code, 0) != expected.get(code, 0)
    ]
    return found


def _with_losses(whole: Facts, crashed: Facts) -> dict[str, int]:
    """Move what lost work cost: the reserve burns for it, the budget's fiat goes to suspense."""
    moved: Counter[str] = Counter()
    for name in crashed.lost.keys() - whole.lost.keys():
        burned_utok, bound_nusd, provider = crashed.lost[name]
        moved["reserve:house"] -= burned_utok
        moved["burn"] += burned_utok
        moved[f"fiat-budget:house:{NOON.date().isoformat()}"] -= bound_nusd
        moved[f"suspense:{provider}"] += bound_nusd
    return {
        code: whole.balances.get(code, 0) + moved[code]
        for code in whole.balances.keys() | moved.keys()
    }


_MONEY = {
    "accounts": "SELECT code, credits_posted - debits_posted AS balance FROM ledger_accounts",
    "lost": "SELECT id, burn_utok, bound_nusd, provider FROM ledger_attempts"
    " WHERE status = 'lost'",
}
_UNFINISHED = {
    "open holds": "SELECT code FROM ledger_accounts WHERE debits_held <> 0 OR credits_held <> 0",
    "open attempts": "SELECT id FROM ledger_attempts WHERE status = 'admitted'",
    "uncovered losses": "SELECT id FROM ledger_attempts WHERE shortfall_utok > 0",
    "open leases": "SELECT id FROM market_leases WHERE ends_at > :now",
    "contradictions": "SELECT id FROM ledger_attempts JOIN order_work ON attempt_id = id"
    " WHERE (status = 'lost') <> (CAST(result AS TEXT) LIKE '%\"status\": \"lost\"%')",
    "open escrows": "SELECT code FROM ledger_accounts WHERE code LIKE 'escrow:%'"
    " AND credits_posted <> debits_posted",
}


def _bound(query: str, late_s: float) -> TextClause:
    """Bind the latest instant, where a query asks for it."""
    bound = text(query)
    return (
        bound.bindparams(bindparam("now", NOON + timedelta(seconds=late_s), UtcDateTime))
        if ":now" in query
        else bound
    )


def _anonymous(value: Any, order_id: str) -> Any:
    """Drop identifiers and times: every run has its own."""
    if isinstance(value, dict):
        return {
            key: _anonymous(item, order_id)
            for key, item in value.items()
            if key not in ("id", "quote", "report_id", "updated_at")
        }
    if isinstance(value, list):
        return [_anonymous(item, order_id) for item in value]
    return value.replace(order_id, "ORDER") if isinstance(value, str) else value


def _tags(world: World) -> list[str]:
    repository = Path(world.settings().repositories_folder) / "acme.git"
    if not repository.exists():
        return []
    command = ["git", "--git-dir", str(repository), "for-each-ref", "--format=%(refname)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
