"""Exceptions of the engine, under those that all packages share.

CryptableError
├── MalformedMessageError
│   ├── CircuitError              a circuit that the verifier refuses; names the node
│   └── ProgramMismatchError      a program's parameters are not those of the client spec
├── CompilationError              Concrete could not compile a circuit within its limits; says what to do
│   └── UnsupportedProgramError   ... or made a program of a kind that the engine does not run
│       └── SchemeUnavailableError    ... because an extra of this package is not installed; names it
└── EvaluationError               Concrete failed on an evaluation whose arguments were all valid

A KernelWarning says that NumPy evaluates where a kernel should.
"""

from __future__ import annotations

from cryptable_protocol import CryptableError, MalformedMessageError


class CircuitError(MalformedMessageError):
    """A circuit breaks a rule; `node` is the index of the offending node, or None where the circuit as a whole does."""

    def __init__(self, message: str, *, node: int | None = None) -> None:
        super().__init__(f"circuit: {message}" if node is None else f"circuit: node {node}: {message}")
        self.node = node


class ProgramMismatchError(MalformedMessageError):
    """A compiled program's crypto parameters differ from those that the client spec promises."""


class CompilationError(CryptableError):
    """A verified circuit could not be compiled: by Concrete, or to no parameters; says why and what to do."""


class UnsupportedProgramError(CompilationError):
    """A compiled program needs something that the engine does not run, such as another encoding."""


class SchemeUnavailableError(UnsupportedProgramError):
    """A scheme needs a library, which is an extra of this package and is not installed, or does not load."""

    def __init__(
        self,
        reason: object,
        *,
        needs: str = "bootstrapped need concrete-python",
        extra: str = "concrete",
        where: str = "Linux, x86-64, Python up to 3.12, NumPy below 2",
    ) -> None:
        super().__init__(f"models of the scheme {needs} ({reason}): pip install 'cryptable-engine[{extra}]' ({where})")


class EvaluationError(CryptableError):
    """Native code (Concrete's, SEAL's) refused or failed an evaluation whose arguments were all valid."""


class KernelWarning(UserWarning):
    """Models are evaluated by NumPy, since the kernel that is installed cannot be used; says why."""
