"""Asking a runner whether it is there, before anything of a candidate is sent to it."""

from aem.isolation import drop_request, reply_limit_bytes
from sandbox.port import Enclosure

GREETING_TIMEOUT_S = 30.0
"""An interpreter starts in 0.1 s; on a machine that is overloaded by far, in some seconds."""


def greet(enclosure: Enclosure) -> None:
    """Wait for the runner's reply to a request that changes nothing.

    Raises:
        IsolationError: there is no runner that replies, which no candidate can be blamed for.
    """
    enclosure.send(drop_request(variant=""), timeout_s=GREETING_TIMEOUT_S)
    enclosure.receive(timeout_s=GREETING_TIMEOUT_S, limit_bytes=reply_limit_bytes(0))
