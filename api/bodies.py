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

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body's bytes as they come."""
        received_bytes = 0
        is_answered = False

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > MAX_BODY_BYTES:
                raise BodyTooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except BodyTooLargeError:
            if is_answered:
                raise
            response = problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                f"the request's body has more than {MAX_BODY_BYTES} bytes",
            )
            await response(scope, receive, send)
