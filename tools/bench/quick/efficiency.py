"""The demo's model by lookups, against the limit: wall time of a row on all cores, and what bare lookups would take.

One bare PBS is what a lookup more costs on one core: two circuits of nothing but lookups, 32 and 96 of them, on the
demo model's own keyset. The demo's rows and these alternate, so that both meet the same noise of the machine. Each is a
process of its own, since threads are chosen when Concrete is loaded.

On a machine that does other things too, wall time tells mostly of these. The CPU time of the busiest thread does not:
it is what the wall time would be at least, if no thread had to wait for a core.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptable.calibrating.sample_circuits import sum_of_lookups
from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.compiling.compile import compile as compile_model
from cryptable.demo.walkthrough import train
from cryptable_client import SecretKeys, encrypt, write_evaluation_keys
from cryptable_engine import Evaluator
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

ROUNDS = 8
LOOKUPS = (32, 96)


def measure_efficiency(rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds, by side, and the ratio that is to be at most 1.25."""
    cores = len(os.sched_getaffinity(0))
    sides = {"demo": cores, "demo, 1 core": 1, f"bare {LOOKUPS[0]}": 1, f"bare {LOOKUPS[1]}": 1}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    with ExitStack() as stack:
        processes = {}
        for name, threads in sides.items():
            command = [sys.executable, "-W", "ignore", "-m", "quick.efficiency", name]
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=Path(__file__).parents[1],
                    env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            processes[name] = process
        lookups = {name: _ask(process)["lookups"] for name, process in processes.items()}
        for _ in range(rounds):
            for name, process in processes.items():
                times[name].append(_ask(process))
    wall = {name: statistics.median(each["wall"] for each in measured) for name, measured in times.items()}
    cpu = {name: statistics.median(each["cpu"] for each in measured) for name, measured in times.items()}
    busiest = statistics.median(each["busiest"] for each in times["demo"])
    few, many = (f"bare {count}" for count in LOOKUPS)
    bare = (cpu[many] - cpu[few]) / (LOOKUPS[1] - LOOKUPS[0])
    limit = lookups["demo"] * bare / cores
    return {
        "cores": cores,
        "lookups": lookups["demo"],
        "bare_pbs_seconds": bare,
        "limit_seconds": limit,
        "wall_seconds": wall["demo"],
        "busiest_thread_seconds": busiest,
        "cpu_seconds": cpu["demo"],
        "wall_seconds_one_core": wall["demo, 1 core"],
        "cpu_seconds_one_core": cpu["demo, 1 core"],
        "ratio": wall["demo"] / limit,
        "busiest_thread_ratio": busiest / limit,
        "cpu_ratio": cpu["demo, 1 core"] / (lookups["demo"] * bare),
        "rounds": times,
    }


def _ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the side's pipes are closed")
    process.stdin.write("\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _bare(lookups: int, demo: CompiledModel) -> tuple[ClientSpec, ProgramFolder]:
    """Nothing but lookups of four bits, on the demo model's keyset."""
    given = demo.artifact
    options = replace(given.compile_options, keyset=given.client_spec.keyset)
    folder = ProgramFolder(sum_of_lookups(lookups, 4, 10), options, catalogue=True)
    program = folder.program
    if program.keyset.name != given.client_spec.keyset.name:
        raise RuntimeError("the bare lookups were not compiled onto the demo model's keyset")
    spec = ClientSpec(
        model_name="bare",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 2) for index in range(program.input.size)),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
        decoder=Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)),
    )
    return spec, folder


def _thread_seconds() -> dict[str, float]:
    """CPU seconds so far of each thread of this process, by its number; Linux tells."""
    return {
        task.name: int((task / "schedstat").read_text().split()[0]) / 1e9 for task in Path("/proc/self/task").iterdir()
    }


def serve_side(name: str) -> None:
    """Answer each line of standard input with one evaluation's seconds; the first line, with the lookups."""
    study = train()
    demo = compile_model(study.classifier, study.training_rows, scheme="bootstrapped", show_progress=False)
    if name.startswith("demo"):
        spec, program = demo.artifact.client_spec, demo._program()
    else:
        spec, folder = _bare(int(name.split()[1]), demo)
        program = folder.program
    evaluator = Evaluator(program)
    with SecretKeys.generate(spec) as keys, tempfile.TemporaryDirectory() as place:
        path = Path(place) / "evaluation-keys"
        with path.open("wb") as file:
            write_evaluation_keys(keys, file)
        loaded = evaluator.load_keys(path)
        row = encrypt(spec, keys, np.zeros(spec.input.size, np.int64))
    evaluator.evaluate(row, loaded)  # the first evaluation expands the keys
    for index, _ in enumerate(sys.stdin):
        if index == 0:
            answer: dict[str, float] = {"lookups": program.lookups}
        else:
            wall, cpu, threads = time.perf_counter(), time.process_time(), _thread_seconds()
            evaluator.evaluate(row, loaded)
            answer = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            answer["busiest"] = max(spent - threads.get(name, 0.0) for name, spent in _thread_seconds().items())
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve_side(sys.argv[1])
