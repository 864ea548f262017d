"""Estimates the security of every keyset with the lattice estimator, where that is at hand.

    PYTHONPATH=path/of/lattice-estimator python tools/bench/estimate_security.py --keys keys.json [--dual 300]

The estimator (https://github.com/malb/lattice-estimator) needs Sage (or passagemath-standard, of Python's package
index), whose environment has none of our packages. So
`--list keys.json`, run in ours, writes what there is to estimate: each dimension of a secret key with the least noise
that anything is encrypted with under it, the one of the scheme levelled, and those of the scheme squares, alone and in
bulk: each chain of primes, with the special one, modulo all of which its keys are. The second run reads that, and
prints a table. Of ternary secrets, which have to pass a test, what the test gives away is subtracted. `--only squares`
takes the keys of one scheme.

Costs are bits of work (log2 rop) of primal attacks (uSVP, BDD) and, where asked for, the dual hybrid one, with the
estimator's default cost of lattice reduction (MATZOV), and of uSVP in the core-SVP model (ADPS16), which leaves out
all factors but one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

LOST_BITS = {"levelled": 0.34, "squares": 0.2}
"""−log2 of how many ternary secrets pass the test: 79 %, nine of ten ("Secret key" in the specification of each)."""


def listed() -> list[dict[str, Any]]:
    """Each key of the catalogue once, with its least noise and how many entries have it; then the ternary ones."""
    from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
    from cryptable_engine.schemes.bootstrapped.parameters.formulas import minimal_variance
    from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, LOG2_DEVIATION, RING_SIZE
    from cryptable_protocol.schemes.squares.keyset import CHAINS, ERROR_VARIANCE

    found: dict[int, dict[str, Any]] = {}
    for entry in keyset_catalogue():
        keyset = entry.keyset
        for secret in keyset.secret_keys:
            variances = [each.variance for each in keyset.bootstrap_keys if each.output_key == secret.id]
            variances += [each.variance for each in keyset.keyswitch_keys if each.output_key == secret.id]
            key = found.setdefault(
                secret.dimension,
                {"scheme": "bootstrapped", "dimension": secret.dimension, "variance": math.inf, "entries": 0}
                | {"modulus": 2**64, "retired": True},
            )
            # Inputs are under one of the keys, with the least noise that is secure there.
            key["variance"] = min(key["variance"], minimal_variance(secret.dimension), *variances)
            key["entries"] += 1
            key["retired"] &= entry.retired
    keys = [found[dimension] for dimension in sorted(found)]
    levelled = {"scheme": "levelled", "dimension": RING_SIZE, "variance": 4.0**LOG2_DEVIATION, "modulus": 2**GRID_BITS}
    keys.append(levelled)
    for number, chain in CHAINS.items():
        modulus = math.prod(chain.primes)
        variance = ERROR_VARIANCE / float(modulus) ** 2
        squares = {"scheme": "squares", "chain": number, "dimension": chain.ring_size}
        keys.append({**squares, "variance": variance, "modulus": modulus})
    return keys


def what(key: dict[str, Any]) -> str:
    """For the table: how many keysets have it, or which ternary one it is."""
    if key["scheme"] == "bootstrapped":
        return f"{key['entries']}{' (retired)' if key['retired'] else ''}"
    chain = f", chain {key['chain']}" if "chain" in key else ""
    return f"{key['scheme']}{chain}: ternary, {math.log2(key['modulus']):.1f} bits"


def bits(cost: Any) -> float:  # noqa: ANN401  # the estimator has no types
    """Of work."""
    return math.log2(float(cost["rop"]))


def main() -> int:
    """List, or estimate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=Path, help="write what there is to estimate")
    parser.add_argument("--keys", type=Path, help="what --list has written")
    parser.add_argument("--only", choices=("bootstrapped", *LOST_BITS), help="of one scheme")
    parser.add_argument("--dual", type=int, default=0, help="the dual hybrid attack (a minute) for every so manyth key")
    arguments = parser.parse_args()
    if arguments.list:
        arguments.list.write_text(json.dumps(listed()))
        return 0
    if not arguments.keys:
        parser.error("give --list, or --keys with what it has written")
    try:
        from estimator import LWE, ND, RC  # type: ignore[import-not-found]
        from sage.all import oo  # type: ignore[import-not-found]
    except ImportError as error:
        print(f"the lattice estimator is not at hand ({error}): see --help", file=sys.stderr)
        return 1
    print("| dimension | log2 deviation | entries | uSVP | BDD | dual hybrid | core-SVP |")
    print("|---|---|---|---|---|---|---|")
    for number, key in enumerate(json.loads(arguments.keys.read_text())):
        if arguments.only not in {None, key["scheme"]}:
            continue
        deviation, modulus_bits = math.log2(key["variance"]) / 2, math.log2(key["modulus"])
        lost = LOST_BITS.get(key["scheme"], 0.0)
        parameters = LWE.Parameters(
            n=key["dimension"],
            q=key["modulus"],
            Xs=ND.UniformMod(3) if lost else ND.Binary,
            Xe=ND.DiscreteGaussian(2.0 ** (deviation + modulus_bits)),
            m=oo,
        )
        usvp, bdd = bits(LWE.primal_usvp(parameters)) - lost, bits(LWE.primal_bdd(parameters)) - lost
        is_dual = arguments.dual and (lost or number % arguments.dual == 0)
        dual = f"{bits(LWE.dual_hybrid(parameters)) - lost:.1f}" if is_dual else ""
        core = bits(LWE.primal_usvp(parameters, red_cost_model=RC.ADPS16)) - lost
        print(
            f"| {key['dimension']} | {deviation:.2f} | {what(key)} | {usvp:.1f} | {bdd:.1f} | {dual} | {core:.1f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
