"""The only file that imports concrete-python: compile MLIR text, load programs, keys and values, call and simulate.

`concrete.fhe`, which needs torch, is never imported. What comes in here has been verified: malformed MLIR, keys and
values can end the process (see the package's README).
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import KeysetParameters

from cryptable_engine.errors import CompilationError, EvaluationError, SchemeUnavailableError

PROGRAM_INFO = "program_info.concrete.params.json"
FEEDBACK = "compilation_feedback.json"
LIBRARY = "sharedlib.so"
_import_lock = threading.Lock()
_module: Any = None


def _concrete() -> Any:  # noqa: ANN401  # concrete-python has no types
    """`concrete.compiler`, imported on first use: it takes a third of a second.

    Raises:
        SchemeUnavailableError: it is not installed, or does not load.
    """
    global _module
    with _import_lock:
        if _module is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
                warnings.filterwarnings("ignore", "Deprecated call to `pkg_resources", DeprecationWarning)
                try:
                    import concrete.compiler as module  # type: ignore[import-untyped, unused-ignore]
                except ModuleNotFoundError as error:  # one that does not load for want of memory ends a worker
                    raise SchemeUnavailableError(error) from error
            _module = module
    return _module


def is_installed() -> bool:
    """Whether there is a concrete-python to import; nothing of it is loaded."""
    return importlib.util.find_spec("concrete") is not None


@contextmanager
def _broken_pipes_stay_errors() -> Iterator[None]:
    """Around what runs a program: Concrete's runtime makes SIGPIPE deadly as it starts.

    Python ignores that signal, so that writing to a closed socket raises. Left as Concrete sets it, the next such write
    ends the process, without a word: a worker's, or a notebook's.
    """
    try:
        yield
    finally:
        # What Python knows of, as signal.signal() set it: that function itself may be called in the main thread alone.
        if hasattr(signal, "SIGPIPE") and signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN:
            put = ctypes.pythonapi.PyOS_setsig
            put.argtypes, put.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
            put(signal.SIGPIPE, signal.SIG_IGN)


def compile_mlir(
    text: str,
    directory: Path,
    *,
    p_error: float,
    security_bits: int,
    simulation: bool,
    keyset: KeysetParameters | None = None,
    max_glwe_dimension: int | None = None,
) -> None:
    """Compile a module of one function into `directory`, by a path that a shell leaves as it is.

    Args:
        text: the module.
        directory: exists.
        p_error: of one lookup.
        security_bits: 128.
        simulation: compile for clear values with simulated noise.
        keyset: the optimizer is to find parameters that make this one. Where it cannot, it silently ignores the wish,
            so what comes out must be compared.
        max_glwe_dimension: of the bootstrap keys that the optimizer chooses.

    Raises:
        CompilationError: Concrete refused it; the message is Concrete's.
    """
    concrete = _concrete()
    options = concrete.CompilationOptions(concrete.Backend.CPU)
    options.set_p_error(p_error)
    options.set_global_p_error(1.0)
    options.set_security_level(security_bits)
    options.set_optimizer_strategy(concrete.OptimizerStrategy.DAG_MULTI)
    options.set_loop_parallelize(True)
    options.set_compress_evaluation_keys(True)
    options.simulation(simulation)
    if max_glwe_dimension is not None:
        ranges = concrete.RangeRestriction()
        for dimension in range(1, max_glwe_dimension + 1):
            ranges.add_available_glwe_dimension(dimension)
        options.set_range_restriction(ranges)
    if keyset is not None:
        options.set_keyset_restriction(concrete.KeysetRestriction.from_json(json.dumps(_restriction(keyset))))
    compiler = concrete.Compiler(
        str(directory),
        concrete.lookup_runtime_lib(),
        generate_shared_lib=True,
        generate_static_lib=False,
        generate_program_info=True,
        generate_compilation_feedback=True,
    )
    try:
        compiler.compile(text, options)
    except RuntimeError as error:
        raise CompilationError(f"Concrete could not compile the circuit: {error}") from error


def _restriction(keyset: KeysetParameters) -> dict[str, Any]:
    dimensions = keyset.dimensions
    return {
        "info": {
            "lwe_secret_keys": [{"lwe_dimension": key.dimension} for key in keyset.secret_keys],
            "lwe_bootstrap_keys": [
                {
                    "level_count": key.level_count,
                    "base_log": key.base_log,
                    "glwe_dimension": key.glwe_dimension,
                    "polynomial_size": key.polynomial_size,
                    "input_lwe_dimension": dimensions[key.input_key],
                }
                for key in keyset.bootstrap_keys
            ],
            "lwe_keyswitch_keys": [
                {
                    "level_count": key.level_count,
                    "base_log": key.base_log,
                    "input_lwe_dimension": dimensions[key.input_key],
                    "output_lwe_dimension": dimensions[key.output_key],
                }
                for key in keyset.keyswitch_keys
            ],
        }
    }


class NativeCircuit:
    """A compiled function, ready to be called. Thread-safe.

    Raises:
        EvaluationError: the library cannot be loaded.
    """

    def __init__(self, directory: Path, function: str) -> None:
        concrete = _concrete()
        self._function = function
        try:
            self._program = concrete.ServerProgram(concrete.Library(str(directory)), False)
            # A native circuit keeps arguments and results in buffers: two calls of one at a time would mix them up.
            self._idle = [self._program.get_server_circuit(function)]
        except RuntimeError as error:
            raise EvaluationError(
                f"Concrete cannot load the program in {directory}: {error}; compile the circuit again"
            ) from error

    def call(self, value: bytes, keys: NativeKeys) -> bytes:
        """Evaluate on one Value message; returns that of the result.

        Raises:
            EvaluationError: the native code refused it.
        """
        circuit = self._take()
        try:
            with _broken_pipes_stay_errors():
                (result,) = circuit.call([_concrete().TransportValue.deserialize(value)], keys.keyset)
            data: bytes = result.serialize()
        except RuntimeError as error:
            raise EvaluationError(f"Concrete failed to evaluate the circuit: {error}") from error
        finally:
            self._idle.append(circuit)
        return data

    def _take(self) -> Any:  # noqa: ANN401  # concrete-python has no types
        try:
            return self._idle.pop()
        except IndexError:
            return self._program.get_server_circuit(self._function)


class NativeKeys:
    """A client's evaluation keys in native form."""

    def __init__(self, message: bytes) -> None:
        try:
            self.keyset: Any = _concrete().ServerKeyset.deserialize(message)
        except RuntimeError as error:
            raise EvaluationError(f"Concrete refused evaluation keys: {error}") from error


class NativeSimulation:
    """A function compiled for simulation: clear values, with the noise that the crypto parameters would make."""

    def __init__(self, directory: Path, function: str) -> None:
        concrete = _concrete()
        library = concrete.Library(str(directory))
        info = library.get_program_info()
        self._programs = (concrete.ServerProgram(library, True), concrete.ClientProgram.create_simulated(info))
        self._server = self._programs[0].get_server_circuit(function)
        self._client = self._programs[1].get_client_circuit(function)

    def __call__(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One row: shape (input size,) to (output size,).

        Raises:
            EvaluationError: the native code refused it.
        """
        try:
            value = self._client.simulate_prepare_input(_concrete().Value(row), 0)
            with _broken_pipes_stay_errors():
                (result,) = self._server.simulate([value])
            return np.asarray(self._client.simulate_process_output(result, 0).to_py_val(), np.int64).reshape(-1)
        except RuntimeError as error:
            raise EvaluationError(f"Concrete failed to simulate the circuit: {error}") from error


def read_json(path: Path) -> Any:  # noqa: ANN401  # the reader checks what it finds
    """A file that Concrete has written.

    Raises:
        CompilationError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CompilationError(f"{path} is not what Concrete writes: {error}; compile the circuit again") from error
