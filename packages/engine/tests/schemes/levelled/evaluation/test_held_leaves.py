"""Leaves whose last level is done when they are read are those of a tree that is expanded at once, to the last bit."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.evaluation.expansion import expand, take
from cryptable_engine.schemes.levelled.evaluation.held_leaves import HeldLeaves
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import HALF
from cryptable_engine.schemes.levelled.evaluation.workspace import Scratch
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Layout
from levelled_circuits import levelled_circuit, levelled_parameters


@pytest.mark.parametrize("count", [1, 2, 5, 16, 27])
def test_leaves_that_are_taken_are_those_that_expansion_makes(count):
    random = np.random.default_rng(count)
    keys = ServerKeys(memoryview(random.bytes(UNIVERSAL.evaluation_keys_bytes)))
    circuit = levelled_circuit(random)
    parameters = levelled_parameters(circuit)
    scratch = Scratch(make_plan(circuit, parameters, parameters.maximum))
    layout = Layout((), tuple(range(count)), (), parameters.gadget, 1)
    (run,), held = layout.runs, HeldLeaves(layout)
    assert held.count == max(1, 1 << (run.depth - 1))
    whole = np.zeros((count, 2, HALF), np.complex128)
    whole.real[0], whole.imag[0] = random.uniform(-0.5, 0.5, (2, 2, HALF))
    nodes = whole[: held.count].copy()
    expand(run, keys, whole, scratch)
    expand(run, keys, nodes, scratch, but_last=True)
    wanted = random.permutation(np.repeat(np.arange(count), 2))
    found = np.empty((len(wanted), 2, HALF), np.complex128)
    take(wanted, held, nodes, keys, found, scratch)
    assert (found == whole[wanted]).all()
