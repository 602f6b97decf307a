"""Observe-only mode, as every answer says it: whoever reads one cannot overlook it."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger import Enforcement

ENFORCEMENT_HEADER = "AEM-Enforcement"

NOTICE = (
    "observe-only mode (AEM_ENFORCEMENT=observe): work is metered and priced, and nothing is"
    " refused for lack of money; no daily budget holds"
)


def answer_headers(enforcement: Enforcement) -> Mapping[str, str]:
    """Return what every answer says of the mode: nothing while money is enforced."""
    if enforcement is Enforcement.ENFORCE:
        return {}
    return {ENFORCEMENT_HEADER: enforcement.value}


class AnswerHeaders:
    """Adds headers to every answer."""

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str]) -> None:
        """Wrap the application."""
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all on, with the headers on what begins an answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, marked)
