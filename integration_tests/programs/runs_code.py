"""Runs Python code as processes that have the large libraries loaded already: each is a fork of this one.

Loading them takes two to three seconds, more than most code in the documents and examples does with them. Reads one
JSON object a line: code, folder, environment, and the files that output and errors go to. Answers each with the exit
status. The code has a `__main__` of its own and imports what it uses; nothing here is in its namespace.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
import types

LIBRARIES = (
    "numpy",
    "pandas",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "torch",
    "xgboost",
    "cryptable",
)
SECONDS = 1200


def fork_and_wait(wanted: dict) -> int:
    """The exit status of a process that runs the code."""
    pid = os.fork()
    if pid == 0:
        os._exit(status_of(wanted))  # unloading the libraries would take a second
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def status_of(wanted: dict) -> int:
    """The exit status of this process with that code, once the interpreter's own last steps but unloading are done."""
    status = 0
    try:
        become(wanted)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if status and status is not ended.code:
            print(ended.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001  # the interpreter does so
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def become(wanted: dict) -> None:
    """Run the code in this process, as `python -c` would."""
    signal.alarm(SECONDS)
    for number, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), (wanted["output"], os.O_WRONLY), (wanted["errors"], os.O_WRONLY)]
    ):
        opened = os.open(path, flags | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    tempfile.tempdir = None
    sys.argv, sys.path[0] = ["-c"], ""
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    exec(compile(wanted["code"], "<string>", "exec"), main.__dict__)


def main() -> None:
    """Until standard input ends."""
    for each in LIBRARIES:
        importlib.import_module(each)
    gc.freeze()  # so that collections in the children do not touch, and so copy, what is shared
    # The children are not to read what is asked of this process, nor to write among its answers.
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in asked:
        print(fork_and_wait(json.loads(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
