import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aem.client import Client


class QuietStream(BaseHTTPRequestHandler):
    """Opens a stream and then says nothing."""

    released: threading.Event

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b": connected\n\n")
        self.wfile.flush()
        self.released.wait(20)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    QuietStream.released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), QuietStream)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    QuietStream.released.set()
    server.shutdown()
    serving.join()
    server.server_close()


def test_closing_ends_a_wait_on_a_real_socket_at_once(address: str) -> None:
    with Client(address, "key") as client:
        stream = client.events("prices")
        reader = threading.Thread(target=lambda: list(stream))
        reader.start()
        time.sleep(0.3)
        began_s = time.monotonic()
        stream.close()
        reader.join(10)
        assert not reader.is_alive()
        assert time.monotonic() - began_s < 2.0
