"""What a signer's client and its process say to each other: JSON objects with their lengths."""

import json
import socket
import struct
from typing import Any

MAX_FRAME_BYTES = 8 * 2**20
"""A request holds one payload in base64; the largest are gold reports."""

_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """A frame is cut off, too long, or no JSON object; the connection is of no more use."""


def send_frame(connection: socket.socket, value: dict[str, Any]) -> None:
    """Send one object.

    Raises:
        FrameError: it is longer than any frame may be.
        OSError: the connection broke, or took too long.
    """
    data = json.dumps(value).encode()
    if len(data) > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(data)} bytes is more than {MAX_FRAME_BYTES}")
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(connection: socket.socket) -> dict[str, Any]:
    """Receive one object; nothing is kept of one that is too long.

    Raises:
        FrameError: it is no frame.
        OSError: the connection broke, or took too long.
    """
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {length} bytes is more than {MAX_FRAME_BYTES}")
    try:
        value = json.loads(_receive(connection, length))
    except ValueError as error:
        raise FrameError(f"a message is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise FrameError("a message is no object")
    return value


def _receive(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(min(length - len(data), 2**16))
        if not piece:
            raise FrameError("the connection was closed within a message")
        data += piece
    return bytes(data)
