"""What a child process does to itself first: die with its parent, and stay within its memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, *, by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process `by` when `parent` ends, even by SIGKILL and in the midst of native code.

    The kernel's signal follows the *thread* that started this process, so that thread must outlive it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def ignore_terminal_signals() -> None:
    """Leave SIGINT and SIGTERM to the parent, which ends its children when they are done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def limit_memory(size: int | None) -> None:
    """Let allocations beyond `size` bytes of address space fail, and never write a core file of what is in memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if size is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
