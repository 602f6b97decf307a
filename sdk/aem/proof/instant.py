"""Instants inside signed payloads: RFC 3339 in UTC with six decimals, one text for one instant."""

from datetime import UTC, datetime
from typing import Any

from aem.proof.errors import MalformedError

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def format_instant(value: datetime) -> str:
    """Write an aware instant.

    Raises:
        MalformedError: the instant is naive, so it names no point in time.
    """
    if value.tzinfo is None:
        raise MalformedError(f"{value} has no time zone")
    return value.astimezone(UTC).strftime(_FORM)


def parse_instant(text: Any) -> datetime:
    """Read what `format_instant` wrote.

    Raises:
        MalformedError: it is anything else.
    """
    try:
        instant = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise MalformedError(f"{text!r} is no RFC 3339 instant in UTC") from error
    if instant.strftime(_FORM) != text:
        raise MalformedError(f"{text!r} is not in the one form of its instant")
    return instant
