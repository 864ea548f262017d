"""Which kernel evaluates in this process: the library of cryptable-kernel, or none, and then NumPy does its work."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cryptable_protocol import InvalidInputError

from cryptable_engine.errors import KernelWarning

if TYPE_CHECKING:
    from cryptable_kernel import Kernel

VARIABLE = "CRYPTABLE_KERNEL"
"""Environment variable: `off`, or a path through the kernel; unset or `auto`, the widest that the processor has."""


@dataclass(frozen=True)
class KernelState:
    """What was found when a kernel was looked for.

    Attributes:
        kernel: None where NumPy evaluates.
        reason: why there is none.
        is_expected: whether nobody expects one: it is switched off, or was not built for want of a compiler.
    """

    kernel: Kernel | None
    reason: str = ""
    is_expected: bool = True

    @property
    def path(self) -> str:
        """What evaluates: a path through the kernel, or `numpy`."""
        return self.kernel.path if self.kernel is not None else "numpy"


def kernel_state() -> KernelState:
    """What the environment variable asks for, and what of it there is: looked for once for each of its values.

    Raises:
        InvalidInputError: the variable has a value that this version does not know.
    """
    return _state(os.environ.get(VARIABLE, ""))


def usable_kernel() -> Kernel | None:
    """The kernel that evaluates, or None for NumPy, with a KernelWarning where there should be one."""
    state = kernel_state()
    if not state.is_expected:
        message = (
            f"models are evaluated by NumPy, several times more slowly: {state.reason}; install "
            f"cryptable-kernel again, or set {VARIABLE}=off"
        )
        warnings.warn(message, KernelWarning, stacklevel=2)
    return state.kernel


@cache
def _state(choice: str) -> KernelState:
    try:
        from cryptable_kernel import KernelUnavailable, open_kernel
    except ImportError as error:
        return KernelState(None, f"cryptable-kernel does not load ({error})", is_expected=choice == "off")
    try:
        return KernelState(open_kernel(choice))
    except KernelUnavailable as missing:
        return KernelState(None, str(missing), missing.is_expected)
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
