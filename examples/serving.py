"""A server as a process, for the examples that need one: what an operator would type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY = "cryptable-server ready on "


@contextmanager
def running_server(folder: Path, *options: str) -> Iterator[tuple[str, Path]]:
    """Serve folder/models over TLS on a free port; gives the address, and the certificate that clients must trust.

    With "--insecure" among the options there is no TLS, and no certificate.
    """
    command = [sys.executable, "-m", "cryptable_server", "serve", "--address", "127.0.0.1:0"]
    command += ["--models", str(folder / "models"), "--keys", str(folder / "keys")]
    if "--insecure" not in options:
        command += ["--development-certificate", str(folder / "tls")]
    command += options
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "CRYPTABLE_TOKEN": ""}
        ) as server,
    ):
        try:
            ready = next((line for line in server.stdout or () if line.startswith(READY)), None)
            if ready is None:
                raise SystemExit((folder / "server.log").read_text())
            yield ready.removeprefix(READY).strip(), folder / "tls" / "certificate.pem"
        finally:
            server.terminate()


def web_address(folder: Path) -> str:
    """Where a running server with "--web-address" answers pages: it says so in its log."""
    log = (folder / "server.log").read_text().splitlines()
    lines = (json.loads(line) for line in log if line.startswith("{"))  # others tell people of certificates
    return next(line["address"] for line in lines if line["event"] == "web ready")
