"""A compiled program in a temporary folder that lives as long as the object that holds it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from cryptable_engine import Circuit, Program, compile_circuit
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.scheme import SchemeParameters


class ProgramFolder:
    """Compiles a circuit; removes the files when it is collected, or when the process ends.

    `native` says that Concrete compiles it, and is to evaluate it.
    """

    def __init__(
        self,
        circuit: Circuit,
        options: CompileOptions,
        *,
        promised: SchemeParameters | None = None,
        catalogue: bool = False,
        native: bool = False,
    ) -> None:
        self.native = native
        folder = tempfile.mkdtemp(prefix="cryptable-program-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.program: Program = compile_circuit(
            circuit, options, Path(folder) / "program", promised=promised, catalogue=catalogue, native=native
        )
