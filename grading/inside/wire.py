"""Messages between grader and sandbox, for both ends: a length and JSON."""

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

NO_LIMIT = 1 << 32


class TooLong(ValueError):
    """A message longer than its reader allows."""


def pack(message: Any) -> bytes:
    """Return a message as it is sent."""
    data = json.dumps(message).encode()
    return struct.pack(">I", len(data)) + data


def send(sock: socket.socket, message: Any) -> None:
    """Send a message."""
    sock.sendall(pack(message))


def receive(
    sock: socket.socket, most: int = NO_LIMIT, check: Callable[[], None] = lambda: None
) -> bytes:
    """Receive the bytes of a message.

    ``check`` is called before each piece, and again whenever the socket's time-out has
    passed without one; it raises where there has been waiting enough.

    Raises
    ------
    EOFError
        Where the other end hangs up.
    TooLong
        Where there are more than ``most`` bytes.
    """
    (size,) = struct.unpack(">I", receive_exactly(sock, 4, check))
    if size > most:
        raise TooLong(f"expected at most {most} bytes, got {size}")
    return receive_exactly(sock, size, check)


def receive_exactly(
    sock: socket.socket, size: int, check: Callable[[], None] = lambda: None
) -> bytes:
    """Receive so many bytes."""
    data = bytearray()
    while len(data) < size:
        check()
        try:
            piece = sock.recv(min(size - len(data), 1 << 20))
        except TimeoutError:
            continue
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
