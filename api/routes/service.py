"""The service itself: is it there, who am I, what does it cost, whom to trust."""

from typing import Any

from fastapi import APIRouter

from api.auth import Caller, PartsOf
from api.views import to_json

router = APIRouter(tags=["service"])


@router.get("/healthz")
def health(parts: PartsOf) -> dict[str, Any]:
    """Say that the service is up and its database answers, and whether money is enforced.

    And when the service last audited its own ledger, whether that held, and when it will again.
    """
    with parts.database.reading() as session:
        has_operator = parts.keys.any_exists(session)
        audits = parts.audits.state(session)
    last = audits.last
    return {
        "status": "ok",
        "has_operator": has_operator,
        "enforcement": parts.enforcement.value,
        "audit": {
            "ended_at": to_json(last.ended_at) if last else None,
            "is_full": last.is_full if last else None,
            "verified": last.verified if last else None,
            "next_at": to_json(audits.next_at),
        },
    }


@router.get("/.well-known/aem-trust.json")
def trust(parts: PartsOf) -> dict[str, Any]:
    """Return the public keys, each with its purpose, signed by the root."""
    return parts.signer.trust().to_json()


@router.get("/api/v1/me")
def me(caller: Caller) -> dict[str, Any]:
    """Return who the key belongs to."""
    return {
        "id": caller.id,
        "role": caller.role.value,
        "namespace": caller.namespace,
        "owner": caller.owner,
    }


@router.get("/api/v1/models")
def models(parts: PartsOf, _caller: Caller) -> dict[str, Any]:
    """List the language models that orders may ask, with their limits in tokens."""
    return {
        "items": [
            {
                "name": model.name,
                "provider": model.provider,
                "context_tokens": model.context_tokens,
                "reply_tokens_max": model.reply_tokens_max,
                "has_reply_schemas": model.has_reply_schemas,
                "input_resource": model.input_resource,
                "output_resource": model.output_resource,
            }
            for model in parts.catalogue.models
        ],
        "next_cursor": None,
    }


@router.get("/api/v1/prices")
def prices(parts: PartsOf, _caller: Caller) -> dict[str, Any]:
    """Return the price vector of the tick in force."""
    with parts.database.transaction() as session:
        return parts.market.current(session).to_json()
