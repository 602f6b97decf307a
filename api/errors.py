"""Errors as problems (RFC 9457): the one map from the house's error kinds to HTTP statuses."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from aem.artifact import ArtifactError
from core.errors import (
    AemError,
    BadRequestError,
    ConflictError,
    InfrastructureError,
    InvariantViolatedError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    PaymentRequiredError,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"

DOCUMENTED_PROBLEM = {
    "description": "What went wrong (RFC 9457); `reason` is stable and machine-readable.",
    "content": {
        PROBLEM_MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "reason"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "reason": {"type": "string"},
                },
            }
        }
    },
}
"""How the interface's description shows every answer that is no success."""

STATUS_BY_KIND: dict[type[AemError], HTTPStatus] = {
    BadRequestError: HTTPStatus.BAD_REQUEST,
    NotAuthenticatedError: HTTPStatus.UNAUTHORIZED,
    PaymentRequiredError: HTTPStatus.PAYMENT_REQUIRED,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    InfrastructureError: HTTPStatus.SERVICE_UNAVAILABLE,
    InvariantViolatedError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_logger = logging.getLogger(__name__)


class ProblemResponse(JSONResponse):
    """JSON in ASCII: a problem may repeat what cannot be written as UTF-8, such as half a pair."""

    media_type = PROBLEM_MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Escape all that is not ASCII."""
        return json.dumps(content).encode()


def status_of(error_type: type[AemError]) -> HTTPStatus:
    """Return the status of an error by its kind; a kind of its own is a defect (tested)."""
    for kind, status in STATUS_BY_KIND.items():
        if issubclass(error_type, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(status: int, reason: str, detail: str, /, **details: Any) -> JSONResponse:
    """Build a problem; `reason` is stable and machine-readable, `detail` is for people.

    `details` are its further members: none of them takes the place of a problem's own.
    """
    body = details | {
        "type": f"urn:aem:problem:{reason}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    return ProblemResponse(body, status_code=status)


def install(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Make every error of the app a problem.

    A defect is answered outside of all middleware: that answer gets the `headers` here.
    """
    app.add_exception_handler(AemError, _aem_error)
    app.add_exception_handler(ArtifactError, _artifact_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (DataError, OverflowError, UnicodeEncodeError):
        app.add_exception_handler(kind, _unstorable)
    app.add_exception_handler(Exception, partial(_defect, headers=headers))


def _aem_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AemError):
        raise error
    status = status_of(type(error))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("%s: %s", error.reason, error.message, exc_info=error)
    response = problem(status, error.reason, error.message, **error.details)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _artifact_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ArtifactError):
        raise error
    return problem(HTTPStatus.BAD_REQUEST, error.reason, str(error))


def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    places = [
        {"place": ".".join(str(part) for part in e["loc"]), "message": e["msg"]}
        for e in error.errors()
    ]
    first = places[0]
    detail = f"{first['place']}: {first['message']}"
    return problem(HTTPStatus.BAD_REQUEST, "invalid_request", detail, errors=places)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    reason = HTTPStatus(error.status_code).name.lower()
    response = problem(error.status_code, reason, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _unstorable(_request: Request, error: Exception) -> JSONResponse:
    """Refuse what a database cannot hold: half a Unicode pair, a NUL, a number past 64 bits."""
    _logger.info("a value that the database cannot hold was refused", exc_info=error)
    return problem(
        HTTPStatus.BAD_REQUEST,
        "unstorable_value",
        "the request holds a text that is no Unicode or has a NUL character, or a number past"
        " 64 bits",
    )


def _defect(_request: Request, error: Exception, *, headers: Mapping[str, str]) -> JSONResponse:
    _logger.error("a defect of the service", exc_info=error)
    response = problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "the service failed in a way that it does not know; its log says how",
    )
    response.headers.update(headers)
    return response
