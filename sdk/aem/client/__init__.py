"""Talking with the service: the client, its events, its errors."""

from aem.client.client import Client
from aem.client.events import Event, EventStream
from aem.errors import ApiError, BadAnswerError, ClientError, UnreachableError

__all__ = [
    "ApiError",
    "BadAnswerError",
    "Client",
    "ClientError",
    "Event",
    "EventStream",
    "UnreachableError",
]
