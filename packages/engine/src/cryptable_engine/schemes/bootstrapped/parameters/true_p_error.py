"""Which p_error a model really has under the bound of its noise, whichever version has chosen its keyset."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from cryptable_protocol import BootstrapKeyParameters, ClientSpec, KeysetParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

from cryptable_engine.circuit.circuit import Circuit, Lookup
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance_bound,
    deviations,
    keyswitch_variance,
    minimal_variance,
    misread_probability,
    optimizers_bootstrap_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, Reading, lay_out, reading_of
from cryptable_engine.schemes.bootstrapped.parameters.variances import variances

BootstrapVariance = Callable[[BootstrapKeyParameters, int], float]
"""Of what a bootstrapping gives, under a small key of so many bits."""
ROUNDED = 1.01
"""By which factor a p_error may be above what was asked for: variances are rounded."""
WORTH_A_WARNING = 2.0
"""By which factor it is above what was promised before anybody is told."""


def true_p_error(circuit: Circuit, keyset: KeysetParameters, p_error: float) -> float:
    """The most that the probability of a misread lookup, or output, is on a server of this version.

    In the mean over secret keys. Earlier versions took the transform's noise for what Concrete's optimizer takes it
    for, and chose keysets of a GLWE dimension of 3 and more, for which that is too low.

    Args:
        circuit: any; it is verified.
        keyset: that it was compiled to.
        p_error: that it was compiled for. With several bootstrap keys, which lookup has which is known to Concrete's
            program alone: then it is reckoned as if all noise were that of the noisiest.
    """
    if not keyset.bootstrap_keys:
        return p_error
    if len(keyset.bootstrap_keys) > 1 or len(keyset.keyswitch_keys) > 1:
        return max(p_error, math.erfc(deviations(p_error) / math.sqrt(2 * excess(keyset))))
    return _p_error(circuit, keyset, average_variance_bound, compensated=True)


def why_not_exact_enough(circuit: Circuit, keyset: KeysetParameters, p_error: float) -> str | None:
    """Why a new model may not have these keys, for people; None where it may. Arguments as `true_p_error` has them."""
    true = true_p_error(circuit, keyset, p_error)
    if true <= ROUNDED * p_error:
        return None
    told = f"(p_error would be 2^{math.log2(true):.0f}, asked for is 2^{math.log2(p_error):.0f})"
    one_of_a_kind = len(keyset.bootstrap_keys) == 1 and len(keyset.keyswitch_keys) <= 1
    if one_of_a_kind and optimizers_p_error(circuit, keyset) > p_error:
        return f"this model needs less noise {told}"
    return f"it is noisier than the version that chose it knew {told}"


def what_to_warn_of(circuit: Circuit, spec: ClientSpec) -> str | None:
    """Of a model that an earlier version compiled and that fails more often than it promises: which, and how often."""
    parameters = spec.parameters
    if not isinstance(parameters, BootstrappedParameters):
        return None
    p_error = true_p_error(circuit, parameters.keyset, parameters.p_error)
    if p_error <= WORTH_A_WARNING * parameters.p_error:
        return None
    return (
        f"model {spec.model_name}: its keyset is noisier than the version that chose it knew: a lookup fails with "
        f"up to 2^{math.log2(p_error):.0f}, it promises 2^{math.log2(parameters.p_error):.0f}; compile the model again"
    )


def optimizers_p_error(circuit: Circuit, keyset: KeysetParameters) -> float:
    """What earlier versions took for it, by the optimizer's noise and plain modulus switches; of one key of a kind."""
    return _p_error(circuit, keyset, optimizers_bootstrap_variance, compensated=False)


def sums_p_error(circuit: Circuit, layout: Layout, variance: float) -> float:
    """That the output of a circuit without lookups is misread, whose inputs are encrypted with this variance."""
    met = [float(each.max()) for each in variances(circuit, variance, variance)]
    return misread_probability(_scaled_up(met, circuit.output, layout, layout.output), layout.output.width)


def excess(keyset: KeysetParameters) -> float:
    """By which factor the bound of a bootstrap key's noise exceeds what Concrete's optimizer takes it for, at most."""
    return max(
        average_variance_bound(key, keyset.dimensions[key.input_key])
        / optimizers_bootstrap_variance(key, keyset.dimensions[key.input_key])
        for key in keyset.bootstrap_keys
    )


def average_variance_bound(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """The bound of a bootstrapping's noise, in the mean over secret keys."""
    return bootstrap_variance_bound(key, input_dimension, key_deviations=0.0)


def _p_error(
    circuit: Circuit, keyset: KeysetParameters, bootstrapped: BootstrapVariance, *, compensated: bool
) -> float:
    readings = _readings(circuit, keyset, bootstrapped, compensated=compensated)
    return max(misread_probability(variance, bits) for variance, bits in readings)


def _readings(
    circuit: Circuit, keyset: KeysetParameters, bootstrapped: BootstrapVariance, *, compensated: bool
) -> Iterator[tuple[float, int]]:
    """Of each lookup and the output, the variance of what is read, and how many bits; evaluated lookup by lookup."""
    (key,) = keyset.bootstrap_keys
    small, given = keyset.dimensions[key.input_key], key.output_key if keyset.keyswitch_keys else key.input_key
    fresh = minimal_variance(keyset.dimensions[given])
    looked_up = bootstrapped(key, small)
    reading = rounding_variance(small, key.polynomial_size, compensated=compensated)
    reading += sum(keyswitch_variance(each, keyset.dimensions[each.input_key]) for each in keyset.keyswitch_keys)
    layout = lay_out(circuit, verify(circuit))
    met = [float(each.max()) for each in variances(circuit, fresh, looked_up)]
    for node in circuit.nodes:
        if isinstance(node, Lookup):
            yield _scaled_up(met, node.source, layout, reading_of(node)) + reading, node.width
    yield _scaled_up(met, circuit.output, layout, layout.output), layout.output.width


def _scaled_up(variances_met: list[float], node: int, layout: Layout, reading: Reading) -> float:
    """The largest of a node's elements, scaled up to the top of its region."""
    return variances_met[node] * 4.0 ** (layout.widths[node] - reading.bits)
