"""Whole messages over descriptors that move them in pieces."""

import os
import socket

READ_BYTES = 65_536


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data, in as many calls as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive_exactly(connection: socket.socket, size_bytes: int) -> bytes:
    """Receive so many bytes.

    Raises:
        ConnectionError: the stream ends before.
    """
    data = bytearray()
    while len(data) < size_bytes:
        chunk = connection.recv(min(READ_BYTES, size_bytes - len(data)))
        if not chunk:
            raise ConnectionError("the stream ended")
        data += chunk
    return bytes(data)
