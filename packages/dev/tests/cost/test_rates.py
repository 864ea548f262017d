"""Rates of a machine are read from where `cryptable calibrate` stores them, and a prediction adds up."""

from __future__ import annotations

import json
from dataclasses import replace

import cryptable.cost.rates as machine
import pytest
from cryptable.__main__ import main
from cryptable.calibrating.sample_circuits import sum_of_lookups, weighted_sum, with_matrix
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.cost.bootstrapped import lookup_price, noise_level, predict, total_price
from cryptable.cost.prices import price_list
from cryptable.cost.rates import MachineRates, calibration_file, machine_rates, shipped_rates
from cryptable_engine import Linear, interpret, verify
from cryptable_engine.kernel import kernel_state
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind
from cryptable_engine.schemes.bootstrapped.sums import dense_cells_and_gathered_entries
from cryptable_protocol import CompileOptions, InvalidInputError

RATES = MachineRates("engine", "a machine", {3: 2.0, 4: 3.0}, 37.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0, 29.0, 31.0)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_the_table_is_used_until_the_machine_is_calibrated(home):
    assert calibration_file() == home / "cryptable/machine.json"
    assert machine_rates().engine == kernel_state().path
    calibration_file().parent.mkdir()
    calibration_file().write_text(RATES.to_json())
    assert machine_rates() == RATES


def test_predictions_are_of_what_evaluates(home, monkeypatch):
    """Without the kernel lookups take several times as long, whatever else was measured; on the same machine."""
    monkeypatch.setenv("CRYPTABLE_KERNEL", "off")
    in_numpy, shipped = machine_rates(), shipped_rates()
    assert in_numpy.engine == "numpy"
    assert replace(in_numpy, engine=shipped.engine, per_price=shipped.per_price) == shipped
    ratios = [in_numpy.per_price[width] / rate for width, rate in shipped.per_price.items()]
    assert all(3 < ratio < 30 for ratio in ratios)
    calibrated = replace(RATES, engine=shipped.engine, per_price={4: 3.0})
    calibration_file().parent.mkdir()
    calibration_file().write_text(calibrated.to_json())
    by_four = in_numpy.per_price[4] / shipped.per_price[4]
    assert machine_rates() == replace(calibrated, engine="numpy", per_price={4: pytest.approx(3.0 * by_four)})


def test_a_relative_configuration_folder_is_ignored(monkeypatch, tmp_path):
    """As the XDG specification says."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibration_file() == tmp_path / ".config/cryptable/machine.json"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        RATES.to_json().replace("13.0", "NaN"),
        RATES.to_json().replace('"format": 2', '"format": 1'),
    ],
)
def test_a_damaged_calibration(home, text):
    calibration_file().parent.mkdir()
    calibration_file().write_text(text)
    with pytest.raises(InvalidInputError, match=r"machine.json is not what `cryptable calibrate` writes .* remove"):
        machine_rates()


def test_a_prediction_by_phase():
    circuit = with_matrix(sum_of_lookups(3, 3, 8, input_bits=200), 50, 20)
    program = ProgramFolder(circuit, CompileOptions()).program
    words = program.keyset.dimensions[program.input.key] + 1
    # The sum of 3 lookups is dense; gathered are 50 columns of 20 entries, three codes, and one of 50 elements.
    dense, gathered = 3, 50 * 20 + 3 * 3 + 1
    found = predict(circuit, program, RATES)
    assert found.lookups == program.complexity * 2.0
    assert found.linear == words * (dense * 11.0 + gathered * 13.0)
    assert found.ciphertexts == 5.0 + 200 * words * 7.0
    assert found.keys_loaded == program.keyset.evaluation_keys_bytes * 17.0
    assert found.encryption == 200 * 31.0
    assert found.row == found.lookups + found.linear + found.ciphertexts
    assert found.measured_on == "a machine"
    concretes = replace(program, evaluation=EvaluationKind.CONCRETE)
    assert predict(circuit, concretes, RATES).ciphertexts == found.ciphertexts + 37.0


def test_a_prediction_without_lookups():
    circuit = weighted_sum(30, 2)
    program = ProgramFolder(circuit, CompileOptions()).program
    words = program.keyset.secret_keys[0].dimension + 1
    found = predict(circuit, program, RATES)
    assert (found.lookups, found.keys_loaded) == (0.0, 0.0)
    assert found.row == 19.0 + 30 * words * 23.0 + 60 * words * 29.0


def test_sample_circuits_are_what_they_say():
    circuit = with_matrix(sum_of_lookups(2, 4, 10, input_bits=600), 1500, 4)
    verify(circuit)
    (added,) = (node for node in circuit.nodes if isinstance(node, Linear) and node.size == 1500)
    assert dense_cells_and_gathered_entries(added.terms[0], 600, 1500) == (0, 6000)
    assert interpret(circuit, [[0] * 600]).tolist() == [[2 * ((1 << 10) // 2 - 1)]]


@pytest.mark.parametrize(("width", "output_bits", "p_error"), [(2, 8, 2.0**-40), (4, 12, 2.0**-128), (5, 9, 2.0**-64)])
def test_prices_are_those_of_compiled_circuits(width, output_bits, p_error):
    """Of one level and of several: what was planned by is what is bought."""
    for circuit in (sums := sum_of_lookups(8, width, output_bits), with_matrix(sums, 8, 5)):
        program = ProgramFolder(circuit, CompileOptions(p_error=p_error)).program
        planned = price_list(p_error).circuit(circuit)
        assert 0.7 < planned / program.price < 1.3


def test_prices_grow_with_bits_noise_and_certainty():
    assert noise_level(64, 10) == 13.0
    for width in range(2, 8):
        assert lookup_price(width) < lookup_price(width + 1)
    assert total_price(0, 4, 10) == 0.0
    assert total_price(100, 4, 10) == pytest.approx(100 * 1.16e8, rel=0.01)
    assert total_price(100, 4, 14) == pytest.approx(100 * 1.52e8, rel=0.01)
    assert lookup_price(4, 60.0) == float("inf")
    assert lookup_price(4, p_error=2.0**-128) > lookup_price(4, p_error=2.0**-64) > lookup_price(4)
    assert lookup_price(4, p_error=2.0**-50) == lookup_price(4, p_error=2.0**-64)


@pytest.mark.encrypted
def test_calibrate(home, capsys, monkeypatch):
    monkeypatch.setattr("cryptable.calibrating.measure.WIDTHS", (4,))
    monkeypatch.setattr("cryptable.calibrating.measure._REPEATS", 1)
    target = home / "new" / "rates.json"
    assert main(["calibrate", "--output", str(target)]) == 0
    assert "a lookup of 4 bits takes" in capsys.readouterr().out
    rates = MachineRates.from_json(target.read_text(), what="rates")
    assert 1e-11 < rates.per_price[4] < 1e-8
    assert rates.cell_word > 0
    assert rates.linear_cell_word > 0
    assert json.loads(target.read_text())["machine"] == rates.machine
    assert replace(rates, machine="") != machine.machine_rates()


def test_squares_have_a_pace_of_what_evaluates_them(monkeypatch):
    """SEAL where the kernel has no vectors, or is off; several times quicker by it."""
    monkeypatch.setenv("CRYPTABLE_KERNEL", "off")
    assert machine_rates().squares_pace == 1.0
    monkeypatch.setenv("CRYPTABLE_KERNEL", "")
    path = kernel_state().path
    assert machine_rates().squares_pace == pytest.approx({"avx512": 0.33, "avx2": 0.49}.get(path, 1.0), abs=0.1)
