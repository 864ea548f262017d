"""Preparations: the child processes that verify and compile artifacts, of which none outlives its server."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress

from cryptable_server.errors import ArtifactRefusedError

_END_SECONDS = 10.0


class Preparations:
    """The child processes that prepare artifacts."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: list[str], seconds: float) -> Mapping[str, object]:
        """Run one: what it tells of the model; raises ArtifactRefusedError where it does not end well."""
        with self._mutex:
            if self._stopped:
                raise ArtifactRefusedError("the server is being stopped")
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
            self._children.add(child)
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ArtifactRefusedError(f"its preparation takes longer than {seconds:g} s") from error
        finally:
            _end(child)
            with self._mutex:
                self._children.discard(child)
        try:
            outcome = json.loads(output)
        except ValueError:
            raise ArtifactRefusedError(
                f"its preparation ended with status {child.returncode}; the log above may say why"
            ) from None
        if "refused" in outcome:
            raise ArtifactRefusedError(str(outcome["refused"]))
        told: Mapping[str, object] = outcome
        return told

    def stop(self) -> None:
        """End those that run, and start no other."""
        with self._mutex:
            self._stopped = True
            for child in self._children:
                child.terminate()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # a file system that hangs keeps even a killed process
            child.communicate(timeout=_END_SECONDS)
