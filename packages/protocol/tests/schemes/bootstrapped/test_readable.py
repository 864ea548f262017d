"""The widest output that can be read: of sums of inputs by their noise, of looked-up values by a bootstrapping's."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest
from cryptable_protocol import (
    BootstrapKeyParameters,
    CiphertextType,
    KeysetParameters,
    MalformedMessageError,
    SecretKeyParameters,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.bootstrapped.readable import widest_output

SUM = BootstrappedParameters(
    KeysetParameters((SecretKeyParameters(0, 2048),)),
    CiphertextType(2, 0, 34, 2.0**-99.9),
    CiphertextType(1, 0, 34, 0.0),
    2.0**-40,
)
ONE_LEVEL = BootstrappedParameters(
    KeysetParameters(
        (SecretKeyParameters(0, 2048), SecretKeyParameters(1, 620)),
        (BootstrapKeyParameters(0, 1, 0, 2, 16, 2, 1024, 8.44e-31),),
    ),
    CiphertextType(4, 1, 4, 2.0**-26.5),
    CiphertextType(1, 0, 12, 0.0),
    2.0**-40,
)


def with_width(parameters: BootstrappedParameters, width: int) -> BootstrappedParameters:
    return replace(parameters, output=replace(parameters.output, width=width))


@pytest.mark.parametrize(("parameters", "widest"), [(SUM, 45), (ONE_LEVEL, 19)])
def test_a_width_that_the_least_noise_misreads_is_refused(parameters: BootstrappedParameters, widest: int) -> None:
    assert with_width(parameters, widest).output.width == widest
    for width in (widest + 1, 60):
        with pytest.raises(MalformedMessageError, match=f"an output of {width} bits, at most {widest}"):
            with_width(parameters, width)


@pytest.mark.parametrize("log2_p_error", [-40, -64, -128, -500, -1000])
def test_what_a_compiler_may_declare_is_never_refused(log2_p_error: int) -> None:
    """At the width that noise of the input is read at with exactly p_error, whatever that is."""
    p_error = 2.0**log2_p_error
    deviations = -NormalDist().inv_cdf(p_error / 2)
    for width in range(1, 50):
        noise = (2.0 ** -(width + 2) / deviations) ** 2
        given = replace(SUM.input, variance=noise)
        assert width <= widest_output(SUM.keyset, given, 0, p_error) <= width + 1


def test_without_noise_nothing_is_known() -> None:
    silent = replace(SUM.input, variance=0.0)
    assert widest_output(SUM.keyset, silent, 0, 2.0**-40) == CiphertextType.MAX_WIDTH
    assert widest_output(SUM.keyset, replace(SUM.input, variance=5e-324), 0, 5e-324) > CiphertextType.MAX_WIDTH
    assert math.isfinite(widest_output(SUM.keyset, SUM.input, 7, 2.0**-40))
