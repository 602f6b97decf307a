"""The ledger's evidence: the audit, exports, signed checkpoints, receipts and other proofs."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from aem.proof import Checkpoint, Envelope, ProofError
from aem.proof.payload import parse_json
from api.auth import Caller, PartsOf
from api.parts import Parts
from api.views import to_json
from core.errors import InfrastructureError
from core.money import MAX_AMOUNT
from core.principals import Principal, Role
from ledger import (
    WALLET,
    CheckpointError,
    CheckpointNotFoundError,
    Transfer,
    TransferNotFoundError,
)

router = APIRouter(prefix="/api/v1", tags=["audit"])

GZIP_TYPE = "application/gzip"
PROOF_TYPE = "application/json"

MAX_CHECKPOINTS = 20
"""Of one audit: they come in its address, which is not endless."""

_GZIP_WINDOW_BITS = 31
_COMPRESSION_LEVEL = 3
"""Records hold many hashes, which no level makes smaller."""

_PIECE_BYTES = 2**16

Size = Annotated[int, Query(ge=0, le=MAX_AMOUNT)]


@router.get("/audit/verify")
def verify(
    parts: PartsOf,
    caller: Caller,
    checkpoint: Annotated[list[str] | None, Query(max_length=MAX_CHECKPOINTS)] = None,
) -> dict[str, Any]:
    """Check the whole ledger: log, balances, monetary identity, fiat budget, receipts.

    Each `checkpoint` is one that was kept elsewhere, as its JSON text.
    """
    caller.require(Role.OPERATOR, Role.AUDITOR)
    outside = [_kept(text) for text in checkpoint or ()]
    with parts.database.reading() as session:
        report = parts.audit.verify(session, outside=outside)
    if not report.verified:
        with parts.database.transaction() as session:
            parts.alerts.audit_failed(session, report)
    return report.to_json()


def _kept(text: str) -> Envelope:
    try:
        envelope = Envelope.from_json(parse_json(text.encode()))
        Checkpoint.from_payload(envelope.payload)
    except ProofError as error:
        raise CheckpointError(f"what was kept elsewhere is no checkpoint: {error}") from error
    return envelope


@router.get("/audit/runs")
def list_runs(
    parts: PartsOf,
    caller: Caller,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List the audits that the service carried out by itself, the newest first."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.audits.page(session, after=cursor, limit=limit)
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.get("/audit/export", response_class=StreamingResponse)
def export(
    parts: PartsOf,
    caller: Caller,
    start: Annotated[int, Query(ge=0, le=MAX_AMOUNT, alias="from")] = 0,
    end: Annotated[int | None, Query(ge=0, le=MAX_AMOUNT, alias="to")] = None,
) -> StreamingResponse:
    """Stream the log from record `from` up to `to` as one file, from one state of the database."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with suppress(InfrastructureError):  # then the file's verifier says what no checkpoint covers
        parts.checkpointing.sign_now()
    with ExitStack() as stack:
        session = stack.enter_context(parts.database.reading())
        lines = parts.export.lines(session, start=start, end=end)
        packed = _packed(lines, stack.pop_all())
    headers = {"Content-Disposition": 'attachment; filename="aem-audit.jsonl.gz"'}
    return StreamingResponse(packed, media_type=GZIP_TYPE, headers=headers)


def _packed(lines: Iterator[bytes], held: ExitStack) -> Iterator[bytes]:
    """Yield the lines as a gzip stream, and let go of what is held at its end."""
    packer = zlib.compressobj(_COMPRESSION_LEVEL, wbits=_GZIP_WINDOW_BITS)
    waiting, size_bytes = [], 0
    with held:
        for line in lines:
            waiting.append(line + b"\n")
            size_bytes += len(line)
            if size_bytes >= _PIECE_BYTES:
                yield packer.compress(b"".join(waiting))
                waiting, size_bytes = [], 0
        yield packer.compress(b"".join(waiting)) + packer.flush()


@router.get("/audit/checkpoints")
def list_checkpoints(
    parts: PartsOf,
    caller: Caller,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List the signed checkpoints, the smallest first."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.checkpoints.page(session, after=cursor, limit=limit)
    items = [envelope.to_json() for envelope in page.items]
    return {"items": items, "next_cursor": page.next_cursor}


@router.get("/audit/checkpoints/latest")
def latest_checkpoint(parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return a signed checkpoint of the log as it is now: keep it elsewhere."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    parts.checkpointing.sign_now()
    with parts.database.reading() as session:
        return parts.checkpoints.latest(session).to_json()


@router.get("/audit/consistency", response_class=Response)
def prove_consistency(
    parts: PartsOf,
    caller: Caller,
    old: Annotated[int, Query(ge=0, le=MAX_AMOUNT, alias="from")],
    new: Annotated[int, Query(ge=0, le=MAX_AMOUNT, alias="to")],
) -> Response:
    """Prove that the log only grew from the checkpoint of size `from` to that of size `to`."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        proof = parts.proofs.consistency(
            session,
            parts.checkpoints.of_size(session, old),
            parts.checkpoints.of_size(session, new),
        )
    return Response(proof.to_bytes(), media_type=PROOF_TYPE)


@router.get("/ledger/transfers/{transfer_id}/receipt", response_class=Response)
def receipt(transfer_id: str, parts: PartsOf, caller: Caller) -> Response:
    """Return a transfer's receipt, which proves without the service that it is in the log."""
    with parts.database.reading() as session:
        transfer = parts.ledger.transfer(session, transfer_id)
    _require_party(caller, transfer)
    return Response(_receipt(parts, transfer_id), media_type=PROOF_TYPE)


def _receipt(parts: Parts, transfer_id: str) -> bytes:
    """Return the receipt; a transfer of this second is signed for first."""
    with suppress(CheckpointNotFoundError), parts.database.reading() as session:
        return parts.proofs.receipt(session, transfer_id).to_bytes()
    parts.checkpointing.sign_now()
    with parts.database.reading() as session:
        return parts.proofs.receipt(session, transfer_id).to_bytes()


def _require_party(caller: Principal, transfer: Transfer) -> None:
    """Let those see a transfer whose wallet it touches, and who sees all."""
    if caller.role in (Role.OPERATOR, Role.AUDITOR):
        return
    own = f"{WALLET.prefix}:{caller.owner}"
    is_own = any(f"{code}.".startswith(f"{own}.") for code in (transfer.debit, transfer.credit))
    if not is_own or caller.role not in (Role.TEAM, Role.AGENT):
        raise TransferNotFoundError(f"there is no transfer {transfer.id} that this key may see")
