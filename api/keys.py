"""API keys: made once, shown once, kept as hashes, revocable."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, String, Table, insert, select, update
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import UtcDateTime, metadata
from core.errors import BadRequestError, ConflictError, NotAuthenticatedError, NotFoundError
from core.ids import new_id
from core.principals import Principal, Role

SECRET_PREFIX = "aem_"  # noqa: S105 - the prefix of every secret, so that scanners find leaked ones
_SECRET_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("namespace", String(63), nullable=False),
    Column("owner", String(130), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(60), nullable=False),
    Column("revoked_at", UtcDateTime),
)


class KeyRequestError(BadRequestError):
    """A key cannot be made as asked."""

    reason = "bad_key_request"


class KeyNotFoundError(NotFoundError):
    """There is no such key."""

    reason = "key_not_found"


class LastOperatorKeyError(ConflictError):
    """The last operator's key cannot be revoked."""

    reason = "last_operator_key"


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key just made; the secret is kept nowhere and cannot be shown again."""

    principal: Principal
    secret: str


@dataclass(frozen=True, kw_only=True)
class KeyInfo:
    """What may be told of a key."""

    id: str
    role: str
    namespace: str
    owner: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class ApiKeys:
    """Makes, finds and revokes keys."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock; no I/O."""
        self._clock = clock

    def create(
        self, session: Session, *, role: Role, namespace: str, agent: str, creator: str
    ) -> NewKey:
        """Make a key.

        Raises:
            KeyRequestError: the names do not fit the role.
        """
        _check_names(role, namespace, agent)
        secret = SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        owner = f"{namespace}.{agent}" if agent else namespace
        principal = Principal(id=new_id("key"), role=role, namespace=namespace, owner=owner)
        session.execute(
            insert(api_keys).values(
                id=principal.id,
                secret_sha256=_hash(secret),
                role=role.value,
                namespace=namespace,
                owner=owner,
                created_at=self._clock.now(),
                created_by=creator,
            )
        )
        return NewKey(principal=principal, secret=secret)

    def authenticate(self, session: Session, secret: str) -> Principal:
        """Find whose key this is.

        Raises:
            NotAuthenticatedError: nobody's, or it was revoked.
        """
        query = select(api_keys).where(
            api_keys.c.secret_sha256 == _hash(secret), api_keys.c.revoked_at.is_(None)
        )
        row = session.execute(query).one_or_none()
        if row is None:
            raise NotAuthenticatedError(
                "this API key is unknown or was revoked: ask your operator for a new one"
            )
        return Principal(id=row.id, role=Role(row.role), namespace=row.namespace, owner=row.owner)

    def list(self, session: Session) -> list[KeyInfo]:
        """Return all keys, oldest first, without anything secret."""
        columns = [c for c in api_keys.c if c.name != "secret_sha256"]
        rows = session.execute(select(*columns).order_by(api_keys.c.created_at, api_keys.c.id))
        return [KeyInfo(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name

    def any_exists(self, session: Session) -> bool:
        """Whether a first key was made."""
        return session.execute(select(api_keys.c.id).limit(1)).first() is not None

    def revoke(self, session: Session, key_id: str) -> None:
        """Make a key useless from now on; revoking twice changes nothing.

        Raises:
            KeyNotFoundError: there is no such key.
            LastOperatorKeyError: without it nobody could make keys any more.
        """
        is_operators = (api_keys.c.role == Role.OPERATOR.value) & api_keys.c.revoked_at.is_(None)
        query = select(api_keys.c.id).where(is_operators).with_for_update()
        operators = set(session.execute(query).scalars())
        known = session.execute(select(api_keys.c.id).where(api_keys.c.id == key_id)).first()
        if known is None:
            raise KeyNotFoundError(f"there is no key {key_id}")
        if operators == {key_id}:
            raise LastOperatorKeyError(
                f"{key_id} is the last operator's key: make another one before you revoke it"
            )
        session.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now())
        )


def _check_names(role: Role, namespace: str, agent: str) -> None:
    for name in filter(None, (namespace, agent)):
        if not _NAME.fullmatch(name):
            raise KeyRequestError(
                f"{name!r} is no name: use 1 to 63 of a-z, 0-9 and '-', not '-' first"
            )
    if role in (Role.TEAM, Role.AGENT) and not namespace:
        raise KeyRequestError(f"a key with role {role.value} needs a namespace")
    if role in (Role.OPERATOR, Role.AUDITOR) and namespace:
        raise KeyRequestError(f"a key with role {role.value} is the whole house's: no namespace")
    if (role is Role.AGENT) != bool(agent):
        raise KeyRequestError("an agent's name goes with role agent, and only with it")


def _hash(secret: str) -> str:
    # The secret has 256 random bits, so a fast hash is as good as a slow one.
    return hashlib.sha256(secret.encode()).hexdigest()
