"""A server and its child processes with the scheme `clear`, of tests: see `clear_parameters`.

    python clear_entry_points.py serve|worker|preparation ARGUMENTS

`serve` is `cryptable-server serve`, which starts the two others instead of its own.
"""

import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve()
SUPPORT = [str(HERE.parents[3] / package / "tests/support") for package in ("protocol", "engine")]
COMMAND = (sys.executable, str(HERE))


def entry_points():
    """The worker and the preparation of this file."""
    from cryptable_server.processes.entry_points import EntryPoints

    return EntryPoints(worker=(*COMMAND, "worker"), preparation=(*COMMAND, "preparation"))


def _serve():
    from clear_parameters import clear_is_known
    from cryptable_server.commands import command_line, serve

    serve.serve = partial(serve.serve, entry_points=entry_points())
    with clear_is_known():
        return command_line.main(["serve", *sys.argv[1:]])


def _worker():
    from clear_scheme import clear_is_registered
    from cryptable_server.processes import worker

    with clear_is_registered():
        return worker.main()


def _preparation():
    from clear_scheme import clear_is_registered
    from cryptable_server.processes import preparation

    with clear_is_registered():
        return preparation.main()


if __name__ == "__main__":
    sys.path[1:1] = SUPPORT
    sys.exit({"serve": _serve, "worker": _worker, "preparation": _preparation}[sys.argv.pop(1)]())
