"""Reading a gzip file of JSON Lines in constant memory."""

import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from aem.proof.errors import MalformedError

MAX_LINE_BYTES = 4 * 2**20
"""More than any record, block of leaves or trust root has: bounds what a forged file can take."""

_CHUNK_BYTES = 2**16
_GZIP_WINDOW_BITS = 31
_MAX_PIECE_BYTES = 2**18

_scan = json.JSONDecoder().raw_decode


def read_json(text: str) -> Any:
    """Read one JSON value that nothing stands before or behind.

    Duplicate keys are not looked for: what is proven is the text itself.

    Raises:
        ValueError: it is none.
    """
    value, end = _scan(text)
    if end != len(text):
        raise ValueError(f"there is more behind character {end}")
    return value


def read_lines(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines of a gzip stream, without their ends, some at a time.

    Raises:
        MalformedError: it is no whole gzip stream, a line is too long, or the last has no end.
    """
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
    rest = b""
    for piece in _pieces(stream, unpacker):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > MAX_LINE_BYTES:
            raise MalformedError(f"a line has more than {MAX_LINE_BYTES} bytes")
        if lines:
            yield lines
    if not unpacker.eof or unpacker.unused_data or rest or stream.read(1):
        raise MalformedError("the file is cut off, or goes on after its end: fetch it again")


def _pieces(stream: BinaryIO, unpacker: Any) -> Iterator[bytes]:
    try:
        while not unpacker.eof and (packed := stream.read(_CHUNK_BYTES)):
            piece = unpacker.decompress(packed, _MAX_PIECE_BYTES)
            while piece:
                yield piece
                piece = unpacker.decompress(unpacker.unconsumed_tail, _MAX_PIECE_BYTES)
    except zlib.error as error:
        raise MalformedError(f"the file is no gzip file, or damaged: {error}") from error
