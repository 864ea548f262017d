"""CPU seconds and peak memory of key generation, ours and concrete-python's own client's, each in a fresh process.

One circuit with a single lookup is compiled for each table width; its crypto parameters are what both sides get. Ours
writes its keys to a temporary file, as `connect` does; Concrete's keeps them in memory and then serialises them. Each
figure of ours is compared with its bar; the exit status is 1 where one is missed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDTHS = (4, 5, 6, 7)
"""Table widths whose parameters have polynomial sizes 2048 (two levels), 4096, 8192 and 16384."""

BARS = {"share_of_concrete": 0.25, "encrypt_1000_cpu": 0.1, "peak_mb": 150.0}
"""The most that is accepted of ours; keys of 26 to 271 MB must fit into the same memory."""

OURS = """
import json, sys, time
from pathlib import Path
from cryptable_protocol import ClientSpec
from cryptable_client import SecretKeys, decrypt, encrypt, spool
import numpy as np
spec = ClientSpec.from_bytes(Path(sys.argv[1]).read_bytes())
threads = int(sys.argv[2])
wall, cpu = time.perf_counter(), time.process_time()
secret_keys = SecretKeys.generate(spec)
spooled = spool(secret_keys, threads=threads)
result = {"keygen_cpu": time.process_time() - cpu, "keygen_wall": time.perf_counter() - wall}
values = np.zeros(spec.input.size, np.int64)
cpu, repetitions = time.process_time(), max(1, 1000 // spec.input.size)
for _ in range(repetitions):
    tensor = encrypt(spec, secret_keys, values)
result["encrypt_1000_cpu"] = (time.process_time() - cpu) / repetitions / spec.input.size * 1000
result["serialize_cpu"] = 0.0
result["bytes"] = spooled.header.size
result["peak_mb"] = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]) / 1e3
print(json.dumps(result))
"""
CONCRETE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from concrete.compiler import ClientProgram, Keyset, Library, Value
import numpy as np
info = Library(sys.argv[1]).get_program_info()
size = int(sys.argv[2])
wall, cpu = time.perf_counter(), time.process_time()
keyset = Keyset(info, None)
result = {"keygen_cpu": time.process_time() - cpu, "keygen_wall": time.perf_counter() - wall}
cpu = time.process_time()
data = keyset.get_server_keys().serialize()
result["serialize_cpu"] = time.process_time() - cpu
client = ClientProgram.create_encrypted(info, keyset).get_client_circuit("main")
value = Value(np.zeros(size, np.int64))
cpu, repetitions = time.process_time(), max(1, 1000 // size)
for _ in range(repetitions):
    client.prepare_input(value, 0)
result["encrypt_1000_cpu"] = (time.process_time() - cpu) / repetitions / size * 1000
result["bytes"] = len(data)
result["peak_mb"] = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]) / 1e3
print(json.dumps(result))
"""


def compile_for(width: int, directory: Path) -> tuple[Path, Path, int]:
    """A program with lookups of `width` bits: its directory, a file with its client spec, and its input's size.

    Two lookups of four bits are summed with others, so that two levels are needed, as in a model of many tables.
    """
    import numpy as np
    from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit
    from cryptable_protocol import AffineEncoder, BootstrappedParameters, ClientSpec, CompileOptions, Decoder, Link

    count = 20 if width == 4 else 1
    codes = np.zeros((width * count, count), np.int64)
    for table in range(count):
        codes[table * width : (table + 1) * width, table] = 1 << np.arange(width)
    tables = np.random.default_rng(0).integers(0, 8, (count, 1 << width))
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, width * count, 1),)),
            Linear((Term.from_dense(0, codes),), np.zeros(count, np.int64)),
            Lookup(1, tables, np.arange(count)),
            Linear((Term.from_dense(2, np.ones((count, 1), np.int64)),), np.zeros(1, np.int64)),
        ),
        3,
    )
    program = compile_circuit(circuit, CompileOptions(), directory / f"program{width}", native=True)
    spec = ClientSpec(
        model_name="bench",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 2) for index in range(program.input.size)),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
        decoder=Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)),
    )
    path = directory / f"spec{width}"
    path.write_bytes(spec.to_bytes())
    return program.directory, path, program.input.size


def measure(script: str, *arguments: object) -> dict[str, float]:
    """What a script reports of itself, run in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> int:
    """Print one line a polynomial size and side; with --json, all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="table widths in bits")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options = parser.parse_args()
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for width in options.widths:
            from cryptable_protocol import ClientSpec

            program, spec_file, size = compile_for(width, Path(folder))
            keyset = ClientSpec.from_bytes(spec_file.read_bytes()).keyset
            polynomial = max(key.polynomial_size for key in keyset.bootstrap_keys)
            sides = {
                "ours, 1 thread": measure(OURS, spec_file, 1),
                "ours, 2 threads": measure(OURS, spec_file, 2),
                "concrete": measure(CONCRETE, program, size),
            }
            for side, result in sides.items():
                share = result["keygen_cpu"] / sides["concrete"]["keygen_cpu"]
                figures.append({"polynomial_size": polynomial, "side": side, "share_of_concrete": share, **result})
                if not options.json:
                    print(
                        f"N = {polynomial:5d}  {side:15s}  keys {result['bytes'] / 1e6:6.1f} MB  "
                        f"keygen {result['keygen_cpu']:6.2f} s CPU ({share:4.0%} of concrete), "
                        f"{result['keygen_wall']:6.2f} s wall  serialise {result['serialize_cpu']:5.2f} s  "
                        f"encrypt 1000: {result['encrypt_1000_cpu']:6.3f} s  peak {result['peak_mb']:6.0f} MB",
                        flush=True,
                    )
    missed = [
        f"N = {figure['polynomial_size']}, {figure['side']}: {name} {figure[name]:.3g}, at most {bar}"
        for figure in figures
        if figure["side"].startswith("ours")
        for name, bar in BARS.items()
        if figure[name] > bar
    ]
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n".join(f"MISSED {line}" for line in missed) or f"met by all of ours: {BARS}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
