"""What every mutating route takes: the caller, the idempotency key, what the key is bound to."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from sqlalchemy.orm import Session

from aem.proof.errors import MalformedError
from aem.proof.payload import parse_json
from api.auth import Caller, PartsOf
from api.idempotency import required_key
from api.parts import Parts
from core.errors import BadRequestError
from core.principals import Principal

JSON_TYPE = "application/json"

FORM_TYPES = ("multipart/", "application/x-www-form-urlencoded")
"""Bodies that the framework reads itself."""


class InvalidJsonError(BadRequestError):
    """A body names a member twice, or a number that is none: readers would differ about it."""

    reason = "invalid_request"


class Mutation:
    """One mutating request; `run` does its work once for its idempotency key."""

    def __init__(
        self, *, parts: Parts, principal: Principal, key: str | None, place: bytes, body: bytes
    ) -> None:
        """Keep what identifies the request.

        Args:
            parts: of the service.
            principal: who calls.
            key: the Idempotency-Key.
            place: method and path.
            body: as it came; empty for a form, whose route says what identifies it.
        """
        self._parts = parts
        self._key = key
        self._place = place
        self.principal = principal
        self.body = body

    @property
    def key(self) -> str:
        """The Idempotency-Key, for what keeps its results by itself.

        Raises:
            IdempotencyKeyMissingError: there is none, or it is too long.
        """
        return required_key(self._key)

    def run(
        self, action: Callable[[Session], dict[str, Any]], *, content: bytes = b""
    ) -> dict[str, Any]:
        """Run the action in a transaction, or return the answer that the key got before.

        `content` is what identifies the request beyond its method, path and body.
        """
        return self._parts.mutations.run(
            principal=self.principal.id,
            key=self._key,
            request=self._place + self.body + content,
            action=action,
        )


async def mutation_of(
    request: Request,
    parts: PartsOf,
    principal: Caller,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Mutation:
    """Collect a mutation's identity; a form's parts are added by its route."""
    is_form = request.headers.get("content-type", "").startswith(FORM_TYPES)
    body = b"" if is_form else await request.body()
    if request.headers.get("content-type", "").startswith(JSON_TYPE):
        try:
            parse_json(body)
        except MalformedError as error:
            raise InvalidJsonError(f"body: {error.message}") from error
    place = f"{request.method} {request.url.path}\n".encode()
    return Mutation(parts=parts, principal=principal, key=idempotency_key, place=place, body=body)


MutationOf = Annotated[Mutation, Depends(mutation_of)]
