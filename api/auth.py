"""Who is calling: the bearer key of a request."""

from typing import Annotated

from fastapi import Depends, Request

from api.parts import Parts
from core.errors import NotAuthenticatedError
from core.principals import Principal

_SCHEME = "bearer "


def parts_of(request: Request) -> Parts:
    """Return the service's parts."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]


def caller_of(request: Request, parts: PartsOf) -> Principal:
    """Return who is calling.

    Raises:
        NotAuthenticatedError: no key, or none that is known.
    """
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_SCHEME):
        raise NotAuthenticatedError(
            "send your API key as `Authorization: Bearer aem_...`; the command line takes"
            " it from AEM_API_KEY"
        )
    with parts.database.reading() as session:
        return parts.keys.authenticate(session, header[len(_SCHEME) :].strip())


Caller = Annotated[Principal, Depends(caller_of)]
