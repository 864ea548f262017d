"""Attacks what a server does with levelled artifacts, rows and keys: each is planned and evaluated, or refused in type.

    python tools/fuzz_levelled.py [--cases N] [--seed N]

Circuits and specifications are changed node by node and field by field, then read, verified, planned and bounded as a
server does it. Rows and evaluation keys of random words, in one of EVALUATED cases, are evaluated: any words are some
client's. A failure (status 1) is an exception that is not of the packages, or a warning of arithmetic; an answer of
another form; a case of more than 10 s of CPU; or a validator of plans that no case reaches.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable_engine import (
    Circuit,
    CircuitError,
    GroupKind,
    Input,
    Linear,
    Lookup,
    Product,
    Rotation,
    Term,
    TurningTree,
    verify,
)
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.rules import rotations
from cryptable_engine.circuit.turning_tree import LEAF
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.plans import forms, plan
from cryptable_protocol import (
    ClientSpec,
    CryptableError,
    Decoder,
    DigitsEncoder,
    Link,
    ModelArtifact,
    messages,
)
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from fuzz.mutations import mutate
from fuzz.validators import Hits

ROOT = Path(__file__).resolve().parents[1]
EVALUATED, CPU_SECONDS = 100, 10.0
EXCLUDED = (
    # What the verifier refuses before: a node that nothing reads.
    ("forms:read_forms", "its last node"),
    # What reading a rotation refuses before, and what these circuits have none of.
    ("rotations:check_rotation", "must be the Input"),
    ("rotations:check_rotation", "exponents of shape"),
    ("forms:read_forms", "convolves"),
    ("forms:read_forms", "squares values"),
    ("plan:plan_forms", "one evaluation takes"),
)


def rewritten(circuit: Circuit, random: Random) -> Circuit:
    """With one of its nodes as its author would not have written it."""
    nodes: list[Any] = list(circuit.nodes)
    index = random.randrange(len(nodes))
    node = nodes[index]
    match node:
        case Linear() if node.terms:
            number = random.randrange(len(node.terms))
            term = node.terms[number]
            source = term.source if random.random() < 0.8 else random.randrange(max(1, index))
            size = nodes[source].size
            rows = max(nodes[term.source].size, size, int(term.rows.max(initial=0)) + 1)  # of values made smaller
            dense = term.to_dense(rows, node.size)[:size]
            match random.randrange(7):
                case 6:
                    dense *= random.choice((-1, 2))
                case 0:
                    dense[random.randrange(size)] *= random.choice((-1, 2, 0))
                case 1:
                    dense = dense[:, np.array(random.sample(range(node.size), node.size))]
                case 2:
                    dense[:, node.size // 2 :] = random.choice((1, -1)) * dense[:, : node.size - node.size // 2]
                case 3:
                    dense[random.randrange(size), random.randrange(node.size)] = random.choice((0, 1, -1, 3, 1 << 40))
                case 4:
                    dense[:, : node.size // 2] = 0
                case _:
                    pass
            terms = [*node.terms]
            terms[number] = Term.from_dense(source, dense)
            offset = node.offset if random.random() < 0.9 else np.append(node.offset, 1)
            nodes[index] = Linear(tuple(terms), offset)
        case Product():
            bits = np.array([random.randrange(circuit.input.size) for _ in node.bits])
            bits = np.full(len(bits), bits[0]) if random.random() < 0.5 else bits
            nodes[index] = Product(node.source, bits[: random.choice((1, len(bits)))], node.size)
        case Rotation():
            nodes[index] = _turned_otherwise(node, circuit.input.size, random)
            if random.random() < 0.1:
                nodes[-1:] = [replace(node, bits=node.bits.copy())]
                nodes.append(_read_too(circuit, len(nodes) - 1))
                return Circuit(tuple(nodes), len(nodes) - 1)
            if random.random() < 0.1:  # something else than the answer reads it
                eye = np.eye(node.size, dtype=np.int64)
                nodes[-1:] = [Linear((Term.from_dense(index, eye),), np.zeros(node.size, np.int64))]
                nodes.append(_read_too(circuit, len(nodes) - 1))
                return Circuit(tuple(nodes), len(nodes) - 1)
        case Input():
            first, *others = circuit.input.groups
            kind, maximum = random.choice(((GroupKind.RANGE, 3), (GroupKind.RANGE, 1), (GroupKind.THERMOMETER, 3)))
            nodes[0] = Input((first, *(replace(group, kind=kind, maximum=maximum) for group in others)))
            # Bits of the group that is left as it was.
            nodes = [
                Product(each.source, each.bits % first.size, each.size) if isinstance(each, Product) else each
                for each in nodes
            ]
        case _:
            pass
    output = circuit.output
    if random.random() < 0.1:  # an answer that reads an answer
        terms = [Term.from_dense(output, np.eye(nodes[output].size, dtype=np.int64))]
        nodes.append(Linear(tuple(terms), np.zeros(nodes[output].size, np.int64)))
        output = len(nodes) - 1
    return Circuit(tuple(nodes), output)


def _read_too(circuit: Circuit, other: int) -> Linear:
    """The answer, to which another value is added."""
    answer = circuit.nodes[circuit.output]
    if not isinstance(answer, Linear):
        raise CircuitError("an answer that is no sum")
    eye = np.eye(answer.size, dtype=np.int64)
    return Linear((*answer.terms, Term.from_dense(other, eye)), answer.offset)


def _turned_otherwise(node: Rotation, inputs: int, random: Random) -> Rotation:
    """With bits, exponents, tables or a tree that its author would not have written."""
    exponents, tables, bits = node.exponents.copy(), node.tables.copy(), node.bits.copy()
    row, column = random.randrange(len(exponents)), random.randrange(node.neurons)
    match random.randrange(9):
        case 0:
            exponents[row, column] = random.choice((0, 1, 2 * node.positions - 1, 2 * node.positions))
        case 1:
            exponents[:] = random.choice((exponents[:, -1:], 3))
        case 2:
            exponents[:, column] = 0
        case 3:
            bits = np.array([random.randrange(inputs + 1) for _ in bits])
        case 4:
            tables[column] *= random.choice((-1, 0, 1 << 50))
        case 5:
            tables = tables[:, : random.choice((3, 2, 1)) * node.positions // 4]
        case 6:
            tables = tables[:, :, : random.choice((1, 2))]
        case 7 if node.trees:
            return replace(node, trees=(_asked_otherwise(node.trees[0], inputs, random), *node.trees[1:]))
        case _:
            return replace(node, trees=node.trees[:-1])
    return replace(node, bits=bits, exponents=exponents, tables=tables)


def _asked_otherwise(tree: TurningTree, inputs: int, random: Random) -> TurningTree:
    bits, exponents = tree.bits.copy(), tree.exponents.copy()
    match random.randrange(7):
        case 0:
            bits[random.randrange(len(bits))] = random.choice((LEAF, 0, inputs))
        case 1:
            bits[bits != LEAF] = bits[0]
        case 2:
            exponents[:] = random.choice((0, 1))
        case 3:
            exponents = exponents[: random.choice((1, len(exponents)))]
        case 4:
            bits = bits[::-1]
        case 5:
            depth = random.choice((2, 70))
            asked = np.arange(depth) % inputs
            bits = np.append(np.stack([asked, np.full(depth, LEAF)], axis=1).ravel(), LEAF)
            exponents = np.arange((depth + 1) * exponents.shape[1]).reshape(depth + 1, -1) % 8
        case _:
            return TurningTree(np.array([LEAF]), exponents[:1])
    return TurningTree(bits, exponents)


def artifacts() -> list[ModelArtifact]:
    """Of products, and of tables that bits and trees turn."""
    vectors = ROOT / "protos/vectors/accept"
    found = [ModelArtifact.load(vectors / "model_artifact.levelled.bin")]
    for name in ("rotation", "rotation_trees"):
        circuit = Circuit.from_bytes((vectors / f"circuit.{name}.bin").read_bytes())
        parameters = choose_parameters(circuit, p_error=found[0].client_spec.p_error)
        spec = ClientSpec(
            model_name=name,
            features=tuple(DigitsEncoder(f"x{index}", 0.0, 1.0, 1) for index in range(circuit.input.size)),
            parameters=parameters,
            decoder=Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs),
        )
        found.append(replace(found[0], client_spec=spec, circuit=circuit.to_bytes()))
    return found


def looked_up(circuit: Circuit) -> Circuit:
    """Of the same input, another circuit: the verifier takes lookups where there is no product and no rotation."""
    size = circuit.input.size
    nodes = (circuit.input, Linear((Term.from_dense(0, np.eye(size, dtype=np.int64)),), np.zeros(size, np.int64)))
    looked = Lookup(1, np.array([[0, 1]]), np.zeros(size, np.int64))
    answer = Linear((Term.from_dense(2, np.ones((size, 1), np.int64)),), np.zeros(1, np.int64))
    return Circuit((*nodes, looked, answer), 3)


def planned(artifact: ModelArtifact, random: Random) -> plan.Plan:
    """What a server plans for a changed artifact."""
    circuit = Circuit.from_bytes(artifact.circuit)
    if random.random() < 0.01:
        circuit = looked_up(circuit)
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        circuit = rewritten(circuit, random)
    message = messages.circuit.Circuit.FromString(circuit.to_bytes())
    if random.random() < 0.3:
        mutate(message, random)
    circuit = Circuit.from_bytes(message.SerializeToString(deterministic=True))
    found = verify(circuit)
    plan.check(circuit)
    spec = messages.client_spec.ClientSpec.FromString(artifact.client_spec.to_bytes())
    if random.random() < 0.3:
        mutate(spec.levelled, random)
    parameters = LevelledParameters.read(spec)
    if not isinstance(parameters, LevelledParameters):
        raise CircuitError("no levelled parameters")
    highest = highest_output(circuit, found)
    if random.random() < 0.8 and highest < parameters.modulus:  # what else may not fit
        parameters = replace(parameters, maximum=highest, selectors=forms.read_forms(circuit).selectors, leaves=())
        parameters = replace(parameters, placed=tuple(range(random.choice((parameters.inputs, 2)))))
    made = plan.make_plan(circuit, parameters, highest)
    noise_bound(made)
    return made


def evaluated(made: plan.Plan, random: Random) -> None:
    """A row and keys of random words, which are some client's."""
    evaluator, parameters = RowEvaluator(made), made.parameters
    fill = random.choice((None, None, 0, 255))

    def words(count: int) -> bytes:
        return random.randbytes(count) if fill is None else bytes([fill]) * count

    row = tensor_pb.EncryptedTensor(seed=words(16), polynomials=words(parameters.row_bytes))
    with np.errstate(all="raise"):
        keys = evaluator.make_ready(memoryview(words(UNIVERSAL.evaluation_keys_bytes)))
        answer = evaluator.evaluate_row(row.SerializeToString(deterministic=True), keys)
    parameters.check_output(tensor_pb.EncryptedTensor.FromString(answer))


def fuzz(cases: int, seed: int) -> tuple[Hits, Counter[str], list[str]]:
    """Run cases; what was refused where, how cases ended, and failures."""
    random, hits = Random(seed), Hits([forms, plan, rotations], EXCLUDED)
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    known = artifacts()
    for case in range(cases):
        began = time.process_time()
        try:
            made = planned(known[max(0, random.randrange(-1, len(known)))], random)
            outcomes["planned"] += 1
            if case % EVALUATED == 0 or outcomes["planned"] == 1:
                evaluated(made, random)
                outcomes["evaluated"] += 1
        except CryptableError as error:
            hits.count(error)
            outcomes[type(error).__name__] += 1
        except Exception:  # noqa: BLE001 (that is what is looked for)
            failures.append(f"case {case} of seed {seed}:\n{traceback.format_exc(limit=-4)}")
        if time.process_time() - began > CPU_SECONDS:
            failures.append(f"case {case} of seed {seed} took more than {CPU_SECONDS:.0f} s of CPU")
    return hits, outcomes, failures


def main() -> int:
    """Run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="artifacts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help="to repeat a run")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    hits, outcomes, failures = fuzz(options.cases, options.seed)
    for name, count in sorted(outcomes.items()):
        print(f"{count:8d}  {name}")
    for place, name in sorted(hits.known.items(), key=lambda item: item[1]):
        print(f"{hits.counts[place]:8d}  {name} (line {place[1]})")
    print(f"{options.cases} cases, {len(hits.known)} validators, {len(hits.missed())} never reached")
    for failure in failures[:20]:
        print(f"FAILURE {failure}")
    for name in hits.missed():
        print(f"NEVER REACHED {name}")
    return 1 if failures or hits.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
