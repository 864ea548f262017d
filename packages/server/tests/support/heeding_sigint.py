"""Commands whose process heeds SIGINT: in the background of a shell it is ignored, and children inherit that."""

import sys

_PROGRAM = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def heeding_sigint(command):
    """The same command, begun by a program of its own.

    `preexec_fn` would run Python between fork and exec, where nobody opens the locks of a test process's threads.
    """
    return [sys.executable, "-c", _PROGRAM, *command]
