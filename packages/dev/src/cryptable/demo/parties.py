"""The demo's operator and end user: the real server and the real client, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptable.demo import client_process
from cryptable.demo.isolation import link_distribution
from cryptable.errors import DemoError

_READY = "cryptable-server ready on "
_GRACE_SECONDS = 10.0


@contextmanager
def running_server(models: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Run `cryptable-server serve` over TLS on a free port of this machine, until the block is left.

    Args:
        models: folder of artifacts to serve.
        folder: an empty folder for the server's keys, certificate and log.

    Yields:
        The address, and the certificate that a client must trust.

    Raises:
        DemoError: the server ended before it was ready; the message holds the end of its log.
    """
    certificates, log = folder / "certificates", folder / "server.log"
    places = {
        "--models": models,
        "--keys": folder / "keys",
        "--programs": folder / "programs",
        "--development-certificate": certificates,
    }
    command = [sys.executable, "-m", "cryptable_server", "serve", "--address", "127.0.0.1:0"]
    command += [text for option, place in places.items() for text in (option, str(place))]
    # A session of its own: Ctrl-C reaches us alone, and we end the server in good order.
    with log.open("wb") as log_file:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log_file, text=True, start_new_session=True)
    try:
        address = _wait_until_ready(server, log)
        (certificate,) = certificates.glob("*cert*.pem")
        yield address, certificate
    finally:
        _end(server)


def _wait_until_ready(server: subprocess.Popen[str], log: Path) -> str:
    if server.stdout is None:
        raise DemoError("the server's output is not connected")
    for line in server.stdout:
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip()
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DemoError(f"the server ended with status {server.wait()} before it was ready:\n{tail}")


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


@contextmanager
def running_client(request: dict[str, Any], folder: Path) -> Iterator[tuple[list[str], Iterator[dict[str, Any]]]]:
    """Run the client process on `request` (see `client_process`), until the block is left.

    Yields:
        The distributions that the process can import ("name version"), and its events as they come.

    Raises:
        DemoError: while iterating, where the client ends with another status than 0.
    """
    path = folder / "client-packages"
    path.mkdir()
    distributions = link_distribution("cryptable-client", path)
    # -I and -S: no environment variables, no site-packages, no current directory. `path` is all there is.
    command = [sys.executable, "-I", "-S", client_process.__file__, str(path)]
    # A home of its own too, so that no file of the client's outlives the demo.
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    with tempfile.TemporaryFile("w+", dir=folder) as stdin:
        json.dump(request, stdin)
        stdin.seek(0)
        client = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
        )
    try:
        yield distributions, _events(client)
    finally:
        _end(client)


def _events(client: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    if client.stdout is None:
        raise DemoError("the client's output is not connected")
    for line in client.stdout:
        yield json.loads(line)
    status = client.wait()
    if status != 0:
        raise DemoError(f"the client process ended with status {status}; what it wrote stands above")
