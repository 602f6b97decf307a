"""A proxy before PostgreSQL that cuts the connection at a commit: before it, or after it."""

import socket
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Self

CHUNK_BYTES = 65_536
_COMMIT = b"COMMIT"


class Cut(StrEnum):
    """Where the next commit's connection ends."""

    BEFORE = "before the server learns of it"
    AFTER = "after the server did it and before the client learns of it"


class CuttingProxy:
    """Passes everything on; `cut_next` arms it for one commit."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._armed: Cut | None = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def cut_next(self, cut: Cut) -> None:
        self._armed = cut

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            pair = _Pair(client, server)
            threading.Thread(target=self._pass_requests, args=(pair,), daemon=True).start()
            threading.Thread(target=pair.pass_answers, daemon=True).start()

    def _pass_requests(self, pair: "_Pair") -> None:
        while chunk := pair.read(pair.client):
            cut = self._armed if _COMMIT in chunk else None
            if cut is not None:
                self._armed = None
                self.cuts += 1
            if cut is Cut.BEFORE:
                break
            pair.is_mute = cut is Cut.AFTER
            try:
                pair.server.sendall(chunk)
            except OSError:  # cut while this was on its way
                break
        if not pair.is_mute:
            pair.close()


class _Pair:
    """Both ends of a connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.is_mute = False

    def pass_answers(self) -> None:
        while chunk := self.read(self.server):
            if self.is_mute:  # the server has answered: it did what it was told to
                break
            try:
                self.client.sendall(chunk)
            except OSError:  # the client has hung up: nobody waits for the rest
                break
        self.close()

    @staticmethod
    def read(end: socket.socket) -> bytes:
        try:
            return end.recv(CHUNK_BYTES)
        except OSError:
            return b""

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):  # the other end was faster
                end.shutdown(socket.SHUT_RDWR)
            end.close()
