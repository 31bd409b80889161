"""A connection to a server that can be made to stand still without a word, as a network does."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """One more address of a server. A context manager: leaving the block ends it and all its connections."""

    def __init__(self, server: str) -> None:
        """Args: `server`, as "host:port"."""
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._moving = threading.Event()
        self._moving.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def freeze(self) -> None:
        """Pass nothing on any more, in either direction, and close nothing."""
        self._moving.clear()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        for it in self._sockets:
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
            it.close()
        self._moving.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for pair in (client, server), (server, client):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._moving.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
