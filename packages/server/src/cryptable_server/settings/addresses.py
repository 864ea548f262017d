"""Addresses as people write them, HOST:PORT, and which of them only this machine can reach."""

from __future__ import annotations

import ipaddress


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" or "[IPv6]:PORT"; raises ValueError on all else."""
    host, separator, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("is not HOST:PORT: write an IPv6 address as [::1]:50051")
    if not separator or not host or not (port.isascii() and port.isdigit()):
        raise ValueError("is not HOST:PORT, as in 127.0.0.1:50051")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """The inverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
