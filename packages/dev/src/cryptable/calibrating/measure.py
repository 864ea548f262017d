"""Measures a machine: small circuits, really evaluated under encryption, and what they cost by their parts."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from cryptable_client import SecretKeys, encrypt
from cryptable_engine import Circuit, Evaluator, Linear
from cryptable_engine.kernel import VARIABLE, kernel_state
from cryptable_protocol import (
    AffineEncoder,
    ClientSpec,
    CompileOptions,
    Decoder,
    DigitsEncoder,
    EncryptedTensor,
    InternalError,
    Link,
)
from cryptable_protocol.schemes.scheme import LEVELLED, SQUARES

from cryptable.calibrating.sample_circuits import (
    products_of_bits,
    squares_of_sums,
    sum_of_lookups,
    turned_tables,
    weighted_sum,
    with_matrix,
)
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.cost.bootstrapped import matrix_work, several_levels_keyset
from cryptable.cost.levelled import LevelledPrices
from cryptable.cost.rates import NUMPY, MachineRates
from cryptable.cost.squares import SquaresPrices
from cryptable.planner.levelled.parameters import choose_parameters

WIDTHS = (3, 4, 5)
_LOOKUPS = 12
_BITS = 2400
_REPEATS = 3
_LEVELLED_REPEATS, _P_ERROR = 12, 2.0**-128
_FIXED_LINEAR_SECONDS = 1e-4
"""Of a call without lookups: too little to be measured apart."""


class _Sample:
    """A circuit, compiled and evaluated: seconds of a row, and of the first one, which loads the keys."""

    def __init__(
        self,
        circuit: Circuit,
        options: CompileOptions | None = None,
        *,
        repeats: int | None = None,
    ) -> None:
        self.folder = ProgramFolder(circuit, options or CompileOptions(), catalogue=True)
        self.program = self.folder.program
        self.spec = ClientSpec(
            model_name="calibration",
            features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 2) for index in range(circuit.input.size)),
            parameters=self.program.parameters,
            decoder=Decoder(Link.IDENTITY, (0,) * self.program.output.size, 1.0, (0.0,) * self.program.output.size),
        )
        rows = np.zeros((1 + (repeats or _REPEATS), circuit.input.size), np.int64)
        with LocalSession(self.spec, self.program) as session:
            session.evaluate(rows)
            first, *others = session.measured.evaluation_cpu_seconds
        self.seconds = min(others)  # what else runs on the machine only adds
        self.first_seconds = session.measured.keys_cpu_seconds + first

    @property
    def words(self) -> int:
        """Of an input ciphertext."""
        return self.program.keyset.dimensions[self.program.input.key] + 1

    @property
    def options(self) -> CompileOptions:
        """That compile another circuit onto the same keyset."""
        return CompileOptions(keyset_entry=self.program.keyset_entry or "calibration", keyset=self.program.keyset)


def measure_lookups(path: str) -> dict[int, float]:
    """CPU seconds of one unit of price by width, of lookups by one path through the kernel, or by NumPy (`numpy`).

    Takes some 10 seconds of CPU. The environment variable that says where models are evaluated is set meanwhile.
    """
    with _evaluated_by(path):
        by_width = {width: _Sample(sum_of_lookups(_LOOKUPS, width, 10)) for width in WIDTHS}
        two = _Sample(sum_of_lookups(2, 4, 10), by_width[4].options)
        return _per_price(by_width, two)[0]


def measure_levelled(path: str) -> float:
    """CPU seconds of rows of the scheme levelled, over what its price list says of them; by path, as `measure_lookups`.

    Takes some seconds of CPU.
    """
    with _evaluated_by(path):
        factors = [_levelled_factor(circuit) for circuit in (turned_tables(8, 60), products_of_bits(120, 60))]
    return math.sqrt(math.prod(factors))


def measure_squares(path: str) -> float:
    """CPU seconds of rows of the scheme squares, over what its price list says of them; by path, as `measure_lookups`.

    Takes some seconds of CPU. Paths without vectors are SEAL.
    """
    with _evaluated_by(path):
        factors = [_squares_factor(squares_of_sums(*widths)) for widths in ((64, 32, 10), (400, 128, 10))]
    return math.sqrt(math.prod(factors))


def _squares_factor(circuit: Circuit) -> float:
    options = CompileOptions(p_error=_P_ERROR, scheme=SQUARES)
    folder, outputs = ProgramFolder(circuit, options), circuit.nodes[circuit.output].size
    spec = ClientSpec(
        model_name="calibration",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 8) for index in range(circuit.input.size)),
        parameters=folder.program.parameters,
        decoder=Decoder(Link.IDENTITY, (0,) * outputs, 1.0, (0.0,) * outputs),
    )
    with LocalSession(spec, folder.program) as session:
        session.evaluate(np.ones((1 + _REPEATS, circuit.input.size), np.int64))
        _, *others = session.measured.evaluation_cpu_seconds
    return min(others) / SquaresPrices(options.p_error).in_seal(folder.program).row


@contextmanager
def _evaluated_by(path: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "off" if path == NUMPY else path
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _levelled_factor(circuit: Circuit) -> float:
    options = CompileOptions(p_error=_P_ERROR, scheme=LEVELLED)
    parameters = choose_parameters(circuit, p_error=options.p_error)
    folder = ProgramFolder(circuit, options, promised=parameters)
    spec = ClientSpec(
        model_name="calibration",
        features=tuple(DigitsEncoder(f"x{index}", 0.0, 1.0, 1) for index in range(circuit.input.size)),
        parameters=parameters,
        decoder=Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)),
    )
    with LocalSession(spec, folder.program) as session:
        session.evaluate(np.zeros((1 + _LEVELLED_REPEATS, circuit.input.size), np.int64))
        _, *others = session.measured.evaluation_cpu_seconds
    return min(others) / LevelledPrices(options.p_error).seconds_in_numpy(circuit, folder.program).row


def _per_price(by_width: dict[int, _Sample], two: _Sample) -> tuple[dict[int, float], float]:
    """And the seconds of a call. Two points of one line: a dozen lookups, and two, with as little else as can be."""
    rate = _rate(by_width[4].seconds - two.seconds, 1) / (by_width[4].program.complexity - two.program.complexity)
    call = max(0.0, two.seconds - rate * two.program.complexity)
    found = {width: _rate(sample.seconds - call, 1) / sample.program.complexity for width, sample in by_width.items()}
    return found, call


def measure_machine(report: Callable[[float], None]) -> MachineRates:
    """Takes some 40 seconds of CPU.

    Args:
        report: is told the fraction done.
    """
    steps = len(WIDTHS) + 7
    done = 0

    def step(sample: _Sample) -> _Sample:
        nonlocal done
        done += 1
        report(done / steps)
        return sample

    by_width = {width: step(_Sample(sum_of_lookups(_LOOKUPS, width, 10))) for width in WIDTHS}
    two = step(_Sample(sum_of_lookups(2, 4, 10), by_width[4].options))
    # Those with a matrix beside their lookups are no circuits of one level.
    plain_circuit = sum_of_lookups(2, 4, 10, input_bits=_BITS)
    several_levels = CompileOptions(keyset_entry="calibration", keyset=several_levels_keyset(4, 14.0))
    plain = step(_Sample(plain_circuit, several_levels))
    few = step(_Sample(sum_of_lookups(2, 4, 10), plain.options))
    dense_circuit, gathered_circuit = with_matrix(plain_circuit, 100, _BITS // 2), with_matrix(plain_circuit, 6000, 4)
    dense = step(_Sample(dense_circuit, plain.options))
    gathered = step(_Sample(gathered_circuit, plain.options))
    words = plain.words
    input_word = _rate(plain.seconds - few.seconds, (_BITS - few.program.input.size) * words)
    per_price, call = _per_price(by_width, two)

    small = step(_Sample(weighted_sum(_BITS, 1), repeats=9))
    large = step(_Sample(weighted_sum(_BITS, 40), small.options, repeats=9))
    linear_cell_word = _rate(large.seconds - small.seconds, 39 * _BITS * small.words)
    widest = by_width[max(WIDTHS)]
    return MachineRates(
        engine=kernel_state().path,
        machine=f"{platform.system()} {platform.machine()}, {_processor()}",
        per_price=per_price,
        native_call=_native_call(few),
        call=call,
        input_word=input_word,
        cell_word=_rate(dense.seconds - plain.seconds, _matrix_work(dense_circuit)[0] * words),
        gathered_word=_rate(gathered.seconds - plain.seconds, _matrix_work(gathered_circuit)[1] * words),
        key_byte=_rate(widest.first_seconds - widest.seconds, widest.program.keyset.evaluation_keys_bytes),
        linear_call=_FIXED_LINEAR_SECONDS,
        linear_input_word=_rate(small.seconds - _FIXED_LINEAR_SECONDS, _BITS * small.words),
        linear_cell_word=linear_cell_word,
        encryption_element=_encryption(plain.spec),
    )


def _native_call(sample: _Sample) -> float:
    """What a row takes longer where Concrete's own program evaluates it; 0 where that is not installed.

    Keys and ciphertexts mean nothing: nobody decrypts the result.
    """
    if find_spec("concrete") is None:
        return 0.0
    folder = ProgramFolder(sum_of_lookups(2, 4, 10), CompileOptions(), native=True)
    program = folder.program
    evaluator = Evaluator(program, native=True)
    keys = evaluator.load_keys(np.random.default_rng(0).bytes(program.keyset.evaluation_keys_bytes))
    tensor = EncryptedTensor(np.zeros(program.input.size, np.uint64), seed=bytes(16))
    evaluator.evaluate(tensor, keys)  # the first one expands the keys
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        evaluator.evaluate(tensor, keys)
        times.append(time.process_time() - began)
    return max(0.0, min(times) - sample.seconds)


def _rate(seconds: float, units: int) -> float:
    """Never negative: a difference of two measurements may be."""
    return max(0.0, seconds) / units


def _matrix_work(circuit: Circuit) -> tuple[int, int]:
    """Dense cells and gathered entries of the matrix that `with_matrix` has added."""
    node = circuit.nodes[-2]
    if not isinstance(node, Linear):
        raise InternalError("the sample circuit has no matrix where it was added")
    return matrix_work(circuit, node)


def _encryption(spec: ClientSpec) -> float:
    """Of one element, on the client."""
    row = np.zeros(spec.input.size, np.int64)
    with SecretKeys.generate(spec) as keys:
        encrypt(spec, keys, row)
        began = time.process_time()
        for _ in range(_REPEATS):
            encrypt(spec, keys, row)
        return _rate(time.process_time() - began, _REPEATS * row.size)


def _processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
