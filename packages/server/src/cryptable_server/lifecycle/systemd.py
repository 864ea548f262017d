"""Telling systemd how a server does, where it asks for that (`Type=notify`): ready, and later stopping."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_VARIABLE = "NOTIFY_SOCKET"


def sd_notify(state: str) -> None:
    """Send a state, as "READY=1", to the socket that systemd names; without one, nothing happens.

    The protocol is that of sd_notify(3). A server serves whether it can tell so or not.
    """
    address = os.environ.get(_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as there:
        there.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        there.sendall(state.encode())
