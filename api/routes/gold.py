"""Gold datasets: freeze them, show what they are; never what the holdout holds."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from aem.artifact import Bundle
from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.views import to_json
from core.principals import Role
from gold import GoldNotFoundError

router = APIRouter(prefix="/api/v1/gold", tags=["gold"])


@router.post("", status_code=201)
def freeze(parts: PartsOf, mutation: MutationOf) -> dict[str, Any]:
    """Freeze a dataset folder, sent as a tar.gz archive; the same content is the same dataset."""
    mutation.principal.require(Role.TEAM)
    files = Bundle.from_archive(mutation.body).files

    def action(session: Session) -> dict[str, Any]:
        owner = mutation.principal.namespace
        value: dict[str, Any] = to_json(parts.gold.freeze(session, owner=owner, files=files))
        return value

    return mutation.run(action)


@router.get("")
def list_datasets(parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """List the frozen datasets that the key may use."""
    namespace = None if caller.role in (Role.OPERATOR, Role.AUDITOR) else caller.namespace
    if namespace is not None and not caller.may_read(namespace):
        return {"items": []}
    with parts.database.reading() as session:
        found = parts.gold.datasets(session, namespace=namespace)
    return {"items": to_json(found)}


@router.get("/{digest}")
def show(digest: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return what a dataset is: its axes and counts."""
    with parts.database.reading() as session:
        found = parts.gold.show(session, digest)
    if not caller.may_read(found.owner.partition(".")[0]):
        raise GoldNotFoundError(f"no gold dataset is frozen as {digest}")
    value: dict[str, Any] = to_json(found)
    return value
