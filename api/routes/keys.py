"""API keys: operators make, list and revoke them."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from core.database import format_instant
from core.principals import Role

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])


class KeyRequest(BaseModel):
    """What a new key is for."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    namespace: str = ""
    agent: str = ""


@router.post("", status_code=201)
def create_key(body: KeyRequest, mutation: MutationOf, parts: PartsOf) -> dict[str, Any]:
    """Make a key; its secret is in this answer and nowhere else.

    Sent again with the same Idempotency-Key, the answer comes without the secret: it is not kept.
    """
    mutation.principal.require(Role.OPERATOR)
    secrets = []

    def action(session: Session) -> dict[str, Any]:
        new = parts.keys.create(
            session,
            role=body.role,
            namespace=body.namespace,
            agent=body.agent,
            creator=mutation.principal.id,
        )
        secrets.append(new.secret)
        owner = new.principal.owner
        return {"id": new.principal.id, "role": body.role.value, "owner": owner}

    answer = mutation.run(action)
    return answer | {"secret": secrets[0] if secrets else None}


@router.get("")
def list_keys(caller: Caller, parts: PartsOf) -> dict[str, Any]:
    """List all keys, without their secrets."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        keys = parts.keys.list(session)
    return {
        "items": [
            asdict(key)
            | {
                "created_at": format_instant(key.created_at),
                "revoked_at": format_instant(key.revoked_at) if key.revoked_at else None,
            }
            for key in keys
        ]
    }


@router.post("/{key_id}/revoke")
def revoke_key(key_id: str, mutation: MutationOf, parts: PartsOf) -> dict[str, Any]:
    """Make a key useless from now on."""
    mutation.principal.require(Role.OPERATOR)

    def action(session: Session) -> dict[str, Any]:
        parts.keys.revoke(session, key_id)
        return {"id": key_id, "revoked": True}

    return mutation.run(action)
