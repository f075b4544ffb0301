"""A proxy that loses requests and replies between clients and a server."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from enum import Enum
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import servers
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    type Command = list[bytes]


class Fault(Enum):
    """What happens to a request; its connection is closed then."""

    DROP_REQUEST = "the server never gets it"
    DROP_REPLY = "the server runs it, and the reply is thrown away"
    DELAY = "the same, but only when the client has given up waiting"
    CUT = "the server runs it, and the client gets half of the reply"


class Proxy:
    """Hands on each request and its reply, one at a time on each connection.

    Attributes:
        server: How clients reach it.
        plan: Tells what happens to a request, or None if nothing does; asked by many threads.
        answered: Told of each request that the server answered, and of the reply, before anything
            reaches the client. Until it returns no request is handed on, on any connection.
    """

    def __init__(self, server: Server) -> None:
        self.plan: Callable[[Command], Fault | None] = lambda _: None
        self.answered: Callable[[Command, Any], None] = lambda *_: None
        address = urlsplit(server.url)
        assert address.hostname
        assert address.port
        self._upstream = (address.hostname, address.port)
        self._standing_still = threading.Lock()
        proxy = self

        class Handler(StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                proxy._serve(self.connection, self.rfile)

        self._listener = ThreadingTCPServer((servers.HOST, 0), Handler)
        self._listener.daemon_threads = True
        self._listener.block_on_close = False
        port = self._listener.server_address[1]
        self.server = Server("proxied", f"redis://{servers.HOST}:{port}{address.path}")

    def _serve(self, client: socket.socket, requests: IO[bytes]) -> None:
        """Serve a connection until either side ends it, or a fault does."""
        try:
            with socket.create_connection(self._upstream) as upstream:
                upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with upstream.makefile("rb") as replies:
                    while self._hand_on(client, requests, upstream, replies):
                        pass
        except (EOFError, OSError):
            pass

    def _hand_on(
        self,
        client: socket.socket,
        requests: IO[bytes],
        upstream: socket.socket,
        replies: IO[bytes],
    ) -> bool:
        """Hand on one request and its reply; False if the connection ends with it."""
        request, command = _read(requests)
        fault = self.plan(command)
        if fault is Fault.DROP_REQUEST:
            return False
        with self._standing_still:
            upstream.sendall(request)
        reply, value = _read(replies)
        with self._standing_still:
            self.answered(command, value)
        match fault:
            case None:
                client.sendall(reply)
            case Fault.DELAY:
                requests.read(1)
            case Fault.CUT:
                client.sendall(reply[: len(reply) // 2])
        return fault is None


@contextmanager
def proxied(server: Server) -> Iterator[Proxy]:
    """A proxy before a server that is no cluster."""
    proxy = Proxy(server)
    listening = threading.Thread(target=proxy._listener.serve_forever, args=(0.01,), daemon=True)
    listening.start()
    try:
        yield proxy
    finally:
        proxy._listener.shutdown()
        proxy._listener.server_close()


def _read(stream: IO[bytes]) -> tuple[bytes, Any]:
    """Read one message of the protocol, version 2 or 3: its bytes, and what they say."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    kind, said = line[:1], line[1:-2]
    match kind:
        case b"$" | b"=" if int(said) >= 0:
            body = stream.read(int(said) + 2)
            if len(body) < int(said) + 2:
                raise EOFError
            return line + body, body[:-2]
        case b"*" | b"~" | b"%" if int(said) >= 0:
            count = int(said) * (2 if kind == b"%" else 1)
            parts = [_read(stream) for _ in range(count)]
            return line + b"".join(raw for raw, _ in parts), [value for _, value in parts]
        case b"$" | b"*" | b"_":
            return line, None
        case b":":
            return line, int(said)
        case b"+" | b"-" | b"," | b"#" | b"(":
            return line, said
        case _:
            raise ValueError(f"a message that this proxy does not know: {line!r}")
