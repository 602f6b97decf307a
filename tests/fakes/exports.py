"""Small exports made by hand: a log of a few transfers, its checkpoints and its accounts."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    Checkpoint,
    Envelope,
    Frontier,
    GrowingTree,
    KeyPurpose,
    canonical_json,
    leaf_hash,
    sign_envelope,
)
from aem.proof.audit import ExportEnd, ExportHeader, checkpoint_line, leaves_line, state_line
from tests.fakes.keys import FakeKeys

ORIGIN = "ledger.example"
BLOCK_ROWS = 1_000
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def transfer(number: int, **changed: Any) -> dict[str, Any]:
    """Return a transfer of 5 utok between two wallets; the first one funds them all."""
    first = {"debit": "operator-loss", "credit": "fiat-spent:x", "amount": 1, "currency": "nusd"}
    fields = {
        "id": f"tra_{number}",
        "batch_key": f"post:{number}",
        "position": 0,
        "debit": "operator-loss",
        "credit": "fiat-spent:x",
        "amount": 5,
        "currency": "nusd",
        "kind": "test",
        "phase": "posted",
        "hold_id": None,
        "reverses": None,
        "expires_at": None,
        "reference": "",
        "memo": "",
        "at": "2030-01-02T12:00:00.000000Z",
    }
    return fields | (first if number == 0 else {}) | changed


def record_line(row: dict[str, Any], record: str = "transfer") -> bytes:
    return canonical_json({"record": record, "fields": row})


def signed_checkpoint(
    tree: GrowingTree,
    keys: FakeKeys,
    *,
    at: datetime = NOON,
    purpose: KeyPurpose = KeyPurpose.CHECKPOINT,
    origin: str = ORIGIN,
) -> Envelope:
    checkpoint = Checkpoint(origin=origin, size=tree.size, root=tree.root(), at=at)
    return sign_envelope(
        payload_type=CHECKPOINT_PAYLOAD_TYPE,
        payload=checkpoint.to_payload(),
        sign=keys.signer(purpose),
    )


def header(size: int, keys: FakeKeys) -> ExportHeader:
    return ExportHeader(
        origin=ORIGIN,
        start=Frontier(),
        size=size,
        is_whole=True,
        trust=keys.trust_root.sign(keys.signer(KeyPurpose.ROOT)),
    )


def lines_of(count: int = 4, *, keys: FakeKeys | None = None) -> list[bytes]:
    """Return the lines of an export of `count` transfers, signed in the middle and at the end."""
    keys = keys or FakeKeys()
    rows = [transfer(number) for number in range(count)]
    tree = GrowingTree()
    records = [record_line(row) for row in rows]
    lines = [header(count, keys).to_line()]
    for number, line in enumerate(records):
        if number % BLOCK_ROWS == 0:
            block = records[number : number + BLOCK_ROWS]
            lines.append(leaves_line([leaf_hash(record) for record in block]))
        lines.append(line)
        tree.append(leaf_hash(line))
        if tree.size in (count // 2, count):
            envelope = signed_checkpoint(tree, keys).to_json()
            lines.append(checkpoint_line(tree.size, envelope))
    total = sum(row["amount"] for row in rows)
    lines += [state_line("account", row) for row in _accounts(total)]
    return [*lines, ExportEnd(head=tree.frontier(), unsealed=None).to_line()]


def packed(lines: Sequence[bytes]) -> bytes:
    """Return the lines as a file."""
    return gzip.compress(b"".join(line + b"\n" for line in lines))


def _accounts(total: int) -> list[dict[str, Any]]:
    common = {"currency": "nusd", "debits_held": 0, "credits_held": 0}
    return [
        {
            "code": "operator-loss",
            "floor": None,
            "credits_posted": 0,
            "debits_posted": total,
            **common,
        },
        {
            "code": "fiat-spent:x",
            "floor": 0,
            "credits_posted": total,
            "debits_posted": 0,
            **common,
        },
    ]
