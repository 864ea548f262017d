"""Connections of this process: how many there may be, and the end of one whose caller does not read."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

_DESCRIPTORS = Path("/proc/self/fd")


def hang_up(peer: str) -> int:
    """Close the TCP connection from `peer`, as gRPC writes it (ipv4:127.0.0.1:50051); returns how many that were.

    gRPC finds that it has ended, and ends its calls. Other callers behind the same proxy may share it: they are as if
    the proxy had been restarted, and call again.
    """
    closed = 0
    for entry in os.scandir(_DESCRIPTORS):
        with suppress(OSError):
            # A copy: the descriptor itself may stand for something else a moment later.
            copy = os.dup(int(entry.name))
            try:
                if stat.S_ISSOCK(os.fstat(copy).st_mode):
                    closed += _shut_down(copy, peer)
            finally:
                os.close(copy)
    return closed


def _shut_down(descriptor: int, peer: str) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.type != socket.SOCK_STREAM:
            return False
        host, port = connection.getpeername()[:2]  # fails where it listens
        if _name(host, port) != unquote(peer):
            return False
        connection.shutdown(socket.SHUT_RDWR)
        return True


def _name(host: str, port: int) -> str:
    if ":" not in host:
        return f"ipv4:{host}:{port}"
    if host.startswith("::ffff:") and "." in host:
        return f"ipv4:{host.removeprefix('::ffff:')}:{port}"  # as gRPC writes an IPv4 caller of a port that has both
    return f"ipv6:[{host}]:{port}"
