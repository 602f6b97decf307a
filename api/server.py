"""Running the service as a process."""

import logging
import signal
import socket
import threading
from collections.abc import Callable

import uvicorn

from api.app import create_app
from api.composition import Service, build_service
from api.observing import NOTICE
from api.settings import Settings
from core.errors import InfrastructureError
from ledger import Enforcement


class AddressTakenError(InfrastructureError):
    """The service's address cannot be listened on."""

    reason = "address_taken"


GRACE_S = 3
"""How long open streams may go on when the process is told to stop."""


def run_server(
    settings: Settings, *, host: str | None, port: int | None, say: Callable[[str], None]
) -> None:
    """Serve until interrupted; port 0 takes a free one. Says the address once it listens."""
    _configure_logging()
    listener = _listen(host or settings.host, settings.port if port is None else port)
    service = build_service(settings)
    _introduce(service, say)
    address, bound_port = listener.getsockname()[:2]
    app = create_app(service, started=lambda: say(f"AEM listens on http://{address}:{bound_port}"))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take the address before anything is made: a first start that fails here is none.

    Raises:
        AddressTakenError: another program listens there, or the address is not this machine's.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise AddressTakenError(
            f"{host}:{port} cannot be listened on ({error.strerror}): name another port with"
            " --port or AEM_PORT, and the same in AEM_URL for the commands"
        ) from error


def run_worker(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Take orders until interrupted."""
    _configure_logging()
    service = build_service(settings)
    _introduce(service, say)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    service.start()
    say("this worker takes orders")
    stopping.wait()
    service.stop()


def _introduce(service: Service, say: Callable[[str], None]) -> None:
    isolation = service.sandbox.isolation()
    say(f"candidates run in {isolation['engine']} {isolation['engine_version']}")
    if isolation["notice"]:
        say(f"NOTICE: {isolation['notice']}")
    if service.parts.enforcement is Enforcement.OBSERVE:
        say(f"NOTICE: {NOTICE}")
    if service.first_key is not None:
        say(
            "This is the first start. The operator's key, shown once and kept nowhere:\n"
            f"  {service.first_key}"
        )


def _configure_logging() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
