"""Compiles circuits: in a child process with limits, because Concrete's compiler can crash, hang, or eat the memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

from cryptable_engine.circuit.bounds import Bounds
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CircuitError, CompilationError, SchemeUnavailableError
from cryptable_engine.schemes.bootstrapped.compiling.one_level_compiler import choose_one_level, write_one_level
from cryptable_engine.schemes.bootstrapped.compiling.refusals import cannot_be_onto, nothing_is_exact_enough
from cryptable_engine.schemes.bootstrapped.compiling.several_levels_compiler import (
    choose_several_levels,
    has_several,
    write_several_levels,
)
from cryptable_engine.schemes.bootstrapped.compiling.sums_compiler import choose_sums, write_sums
from cryptable_engine.schemes.bootstrapped.concrete.native import is_installed
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_from_json, keyset_to_json
from cryptable_engine.schemes.bootstrapped.parameters.formulas import LEAST_P_ERROR, MAX_GLWE_DIMENSION
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, lay_out
from cryptable_engine.schemes.bootstrapped.parameters.one_level import serves_one_level
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import why_not_exact_enough
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram, read_program
from cryptable_engine.schemes.folder import written_whole
from cryptable_engine.schemes.scheme import CompileLimits

REFUSED, FAILED = 3, 4
"""Exit statuses of the child process."""
_MAX_REPORT = 4000


class _AbortedError(CompilationError):
    """The child process ended itself: native code found a state that it takes for impossible."""


def compile_verified(
    circuit: Circuit,
    found: tuple[Bounds, ...],
    options: CompileOptions,
    directory: Path,
    *,
    promised: BootstrappedParameters | None,
    catalogue: bool,
    native: bool,
    limits: CompileLimits,
) -> BootstrappedProgram:
    """Compile a verified circuit into `directory`; arguments and errors are those of `programs.compile_circuit`.

    Crypto parameters are our own choice: a circuit of one level of lookups gets a keyset of its own kind (`one_level`)
    where there is one, all others a bootstrap key and a keyswitch key, or several where that is cheaper, and sums a
    secret key alone. Concrete compiles what is to be its own (`native`), and what has keys that it chose, where no
    choice among them is exact enough by our bounds. A promised keyset is
    met as far as it is the choice of any version, also of one that took noise for less than it may be: `true_p_error`
    says what it is.
    """
    if options.p_error < LEAST_P_ERROR:
        raise CompilationError(
            f"p_error is {options.p_error:.3g}, below 2^-1000: no crypto parameters are that exact; 2^-128 is never met"
        )
    mode = "catalogue" if catalogue else "encrypted"
    kept = None if promised is None else promised.keyset
    if kept is not None and any(key.glwe_dimension > MAX_GLWE_DIMENSION for key in kept.bootstrap_keys):
        mode = "promised"
    if native:
        if not is_installed():
            raise SchemeUnavailableError("Concrete is asked for, and is not installed")
        if promised is None:
            _check_true_p_error(circuit, options)
        compile_into(circuit, options, directory, limits=limits, mode=mode)
        return read_program(directory)
    try:
        write = _choose(circuit, lay_out(circuit, found), options, catalogue=catalogue, promised=promised)
    except CompilationError as error:
        # Bounds of ours may be above what Concrete's optimizer took for enough, and several keys of a kind that it
        # chose may lead where ours do not: an old artifact, or its keys, are its to judge.
        wanted = kept or options.keyset
        if wanted is None or serves_one_level(wanted) or not (kept or has_several(wanted)):
            raise
        if not is_installed():
            raise SchemeUnavailableError(error) from error
        if promised is None:
            _check_true_p_error(circuit, options)
        compile_into(circuit, options, directory, limits=limits, mode=mode)
        return read_program(directory)
    with written_whole(directory) as made:
        write(made)
    return read_program(directory)


def _choose(
    circuit: Circuit,
    layout: Layout,
    options: CompileOptions,
    *,
    catalogue: bool,
    promised: BootstrappedParameters | None,
) -> Callable[[Path], None]:
    """What writes the program under the keyset that is chosen; raises a CompilationError where there is none."""
    keyset = None if promised is None else promised.keyset
    one_level = choose_one_level(circuit, layout, options, catalogue=catalogue, promised=keyset)
    if one_level is not None:
        return lambda made: write_one_level(circuit, layout, one_level, options, made)
    if not circuit.lookups:
        sums = choose_sums(circuit, layout, options, catalogue=catalogue, promised=promised)
        return lambda made: write_sums(circuit, sums, options, made)
    several = choose_several_levels(circuit, layout, options, catalogue=catalogue, promised=promised)
    return lambda made: write_several_levels(circuit, layout, several, options, made)


def _check_true_p_error(circuit: Circuit, options: CompileOptions) -> None:
    """Of a new model that is to have the keys of another."""
    if options.keyset is None:
        return
    if why := why_not_exact_enough(circuit, options.keyset, options.p_error):
        raise cannot_be_onto(options.keyset_entry, why)


def compile_into(
    circuit: Circuit, options: CompileOptions, directory: Path, *, limits: CompileLimits, mode: str
) -> None:
    """Run the child process in `mode` and move what it made to `directory`; raises as `compile_verified` does."""
    if shutil.which("ld") is None:
        raise CompilationError("Concrete links programs with `ld`, which is not on PATH; install binutils")
    with written_whole(directory) as made:
        try:
            _run_child(circuit.to_bytes(), options, made, limits, mode)
        except _AbortedError:
            if mode != "catalogue":
                raise
            # Concrete's optimizer panics over some circuits with lookups of several widths, each of which is to have
            # keys of its own, when it is told to make do with the keys of an entry.
            shutil.rmtree(made)
            made.mkdir()
            _run_child(circuit.to_bytes(), options, made, limits, "encrypted")


def options_to_json(options: CompileOptions) -> str:
    """For the child process."""
    keyset = None if options.keyset is None else keyset_to_json(options.keyset)
    return json.dumps([options.p_error, options.security_bits, options.keyset_entry, keyset])


def options_from_json(text: str) -> CompileOptions:
    """What `options_to_json` was given."""
    p_error, security_bits, keyset_entry, keyset = json.loads(text)
    return CompileOptions(p_error, security_bits, keyset_entry, keyset and keyset_from_json(keyset))


def _run_child(circuit: bytes, options: CompileOptions, directory: Path, limits: CompileLimits, mode: str) -> None:
    arguments = [
        sys.executable,
        "-m",
        "cryptable_engine.schemes.bootstrapped.compiling.compile_process",
        str(limits.address_space_bytes),
        str(limits.cpu_seconds),
        mode,
        options_to_json(options),
    ]
    # Concrete hands the paths of its output to a shell, unquoted: the child compiles into its current directory.
    # A session of its own, so that a timeout also ends the linker that the compiler starts.
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=directory,
            start_new_session=True,
        ) as child,
    ):
        try:
            child.communicate(circuit, timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired as error:
            _kill_session(child)
            raise CompilationError(
                f"compiling took longer than {limits.wall_seconds} s; use a smaller model, or raise "
                "CompileLimits.wall_seconds"
            ) from error
        except BaseException:
            _kill_session(child)
            raise
        _check_status(child.returncode, _read_report(errors), limits)


def _read_report(errors: IO[bytes]) -> str:
    """The end of what the child wrote: Concrete may print a whole module."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - _MAX_REPORT))
    return errors.read().decode(errors="replace").strip()


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _check_status(status: int, report: str, limits: CompileLimits) -> None:
    if status == 0:
        return
    last = report.splitlines()[-1] if report else "no message"
    if status == REFUSED:
        raise CircuitError(f"the compiling process refused it: {last}")
    if "NoParametersFound" in report:
        raise nothing_is_exact_enough()
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        raise CompilationError(
            f"compiling was ended by {signal.Signals(-status).name}, after at most {limits.cpu_seconds} s of CPU; "
            "use a smaller model, raise CompileLimits.cpu_seconds, or give the machine more memory"
        )
    if status != FAILED:
        kind = _AbortedError if status == -signal.SIGABRT else CompilationError
        raise kind(
            f"the compiling process ended with status {status} ({last}); it may have met its limit of "
            f"{limits.address_space_bytes >> 20} MiB of address space: raise CompileLimits.address_space_bytes, or use "
            "a smaller model; or, if lookups have several widths, not know a way to run them with the keys asked for"
        )
    raise CompilationError(f"Concrete failed to compile the circuit: {last}")
