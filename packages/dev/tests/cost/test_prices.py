"""PriceList: what the planner asks is what a planned circuit costs, for the keys that it is to run with."""

import pytest
from cryptable.calibrating.sample_circuits import sum_of_lookups, weighted_sum, with_matrix
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.cost.bootstrapped import lookup_price, noise_level
from cryptable.cost.prices import Draft, price_list, prices_of
from cryptable.cost.rates import machine_rates
from cryptable_engine.circuit.readout import output_bits
from cryptable_protocol import CompileOptions

PRICES = price_list()


def test_a_draft_costs_what_its_lookups_do_by_the_kind_of_keys():
    drafts = [Draft(lookups=6, width=4, output_bits=9, summed=3, bits_are_free=free) for free in (False, True)]
    expected = [6 * lookup_price(4, noise_level(3, 9), one_level=one_level) for one_level in (True, False)]
    assert [PRICES.draft(draft) for draft in drafts] == expected
    assert expected[0] < expected[1]
    assert PRICES.draft(Draft(lookups=0, width=0)) == 0.0
    assert PRICES.bits_are_free is None


def test_keys_decide_which_lookups_there_are():
    of_lookups = sum_of_lookups(3, 3, 8, input_bits=200)
    for circuit, bits_are_free in ((of_lookups, False), (with_matrix(of_lookups, 50, 20), True)):
        keyset = ProgramFolder(circuit, CompileOptions()).program.keyset
        bound = price_list(keyset=keyset)
        assert bound.bits_are_free is bits_are_free
        draft = Draft(lookups=6, width=4, bits_are_free=False)
        assert bound.draft(draft) == 6 * lookup_price(4, one_level=not bits_are_free)
    without = ProgramFolder(weighted_sum(30, 2), CompileOptions()).program.keyset
    assert price_list(keyset=without).bits_are_free is None


def test_a_planned_circuit_costs_what_its_draft_does():
    """Also where it declares no maximum of its outputs: its bounds tell how many bits they have."""
    of_lookups = sum_of_lookups(5, 4, 9, input_bits=40)
    for circuit, bits_are_free in ((of_lookups, False), (with_matrix(of_lookups, 8, 5), True)):
        assert circuit.output_maximum is None
        draft = Draft(lookups=5, width=4, output_bits=output_bits(circuit), summed=5, bits_are_free=bits_are_free)
        assert PRICES.circuit(circuit) == PRICES.draft(draft)


def test_an_estimate_counts_lookups_and_bytes():
    few, many = (PRICES.estimate(Draft(lookups=n, width=4, input_bits=10 * n), machine_rates()) for n in (4, 40))
    assert (few.lookups, many.lookups) == (4, 40)
    assert many.upload_bytes - few.upload_bytes == 8 * 360
    assert few.seconds < many.seconds
    linear = PRICES.estimate(Draft(lookups=0, width=0, input_bits=40), machine_rates())
    assert linear.seconds < few.seconds


def test_noise_that_p_error_allows():
    assert PRICES.noise_deviation > price_list(2.0**-64).noise_deviation > 0


def test_a_scheme_has_one_price_list_and_must_have_one():
    with pytest.raises(ValueError, match="two price lists"):
        prices_of("bootstrapped")(type(PRICES))
    with pytest.raises(ModuleNotFoundError):
        price_list(scheme="no_such_scheme")
