"""Who is calling: the bearer key of a request."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.parts import Parts
from core.errors import NotAuthenticatedError
from core.principals import Principal

_BEARER = HTTPBearer(auto_error=False, description="An API key: `aem_...`.")
"""Reads the header and documents it; that there is no key is told by our own error."""

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def parts_of(request: Request) -> Parts:
    """Return the service's parts."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]


def caller_of(parts: PartsOf, credentials: Credentials) -> Principal:
    """Return who is calling.

    Raises:
        NotAuthenticatedError: no key, or none that is known.
    """
    if credentials is None:
        raise NotAuthenticatedError(
            "send your API key as `Authorization: Bearer aem_...`; the command line takes"
            " it from AEM_API_KEY"
        )
    with parts.database.reading() as session:
        return parts.keys.authenticate(session, credentials.credentials)


Caller = Annotated[Principal, Depends(caller_of)]
