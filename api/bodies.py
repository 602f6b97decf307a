"""A limit on request bodies, kept while they arrive."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

MAX_BODY_BYTES = 64 * 2**20
"""Two archives and the traces, with room to spare."""


class BodyTooLargeError(Exception):
    """Ends the reading of a body that is too large; never leaves this module."""


class BodyLimit:
    """Refuses bodies above the limit, whatever their headers say."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        """Wrap the application."""
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body's bytes as they come."""
        received_bytes = 0
        is_answered = False

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_bytes:
                raise BodyTooLargeError
            return message

        async def noted(message: Message) -> None:
            # The framework takes our error for one of its parsers' and answers 400: that is
            # dropped, so that the caller learns what was wrong.
            nonlocal is_answered
            if is_answered or received_bytes <= self._max_bytes:
                is_answered = True
                await send(message)

        try:
            await self._app(scope, counted, noted)
        except BodyTooLargeError:
            if is_answered:
                raise
        if received_bytes > self._max_bytes and not is_answered:
            response = problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                f"the request's body has more than {self._max_bytes} bytes",
            )
            await response(scope, receive, send)
