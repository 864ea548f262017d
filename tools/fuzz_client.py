"""Attacks the client with what others write: structure-aware mutations, each of which must be read or refused in type.

    python tools/fuzz_client.py [--cases N] [--seed N] [--only-levelled]

Specifications of every scheme and kind of row, batches of rows together, answers, key files, files of tensors and pins
are changed field by field, with digests, lengths and signatures computed anew. An exception that is not the client's
own, a case of more than 10 seconds of CPU or two minutes in all, more than 100 MB of memory beyond what the imports
take, or a validator that no case reaches, is a failure (status 1).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType

from cryptable_client.files import tensors
from cryptable_client.keys import key_file
from cryptable_client.keys import lifetime as lifetime_module
from cryptable_client.schemes import ternary
from cryptable_client.schemes.bootstrapped import client_scheme, security
from cryptable_client.schemes.levelled import client_scheme as levelled_scheme
from cryptable_client.server import inference, remote_model, trust
from cryptable_protocol.encoding import categorical_encoder, decoder, encoders, polyline_encoder
from cryptable_protocol.model import bulk_spec, client_spec, signature
from cryptable_protocol.schemes import ring_tensor
from cryptable_protocol.schemes.bootstrapped import keyset, tensor, trimming
from cryptable_protocol.schemes.levelled import answers, linear_parameters
from cryptable_protocol.schemes.levelled import batch as levelled_batch
from cryptable_protocol.schemes.levelled import keyset as levelled_keyset
from cryptable_protocol.schemes.levelled import parameters as levelled_parameters
from cryptable_protocol.schemes.squares import answers as squares_answers
from cryptable_protocol.schemes.squares import bulk_parameters, windows
from cryptable_protocol.schemes.squares import keyset as squares_keyset
from cryptable_protocol.schemes.squares import parameters as squares_parameters
from cryptable_protocol.wire import canonical, names, walk
from fuzz.levelled_targets import LEVELLED_TARGETS, LevelledWorkshop
from fuzz.ring_targets import RING_TARGETS, RingWorkshop
from fuzz.targets import TARGETS, TYPED, Workshop
from fuzz.validators import Hits

MODULES = [
    canonical, categorical_encoder, client_spec, decoder, encoders, tensor, names, keyset,
    polyline_encoder, signature, trimming, walk, inference, key_file, lifetime_module, remote_model, security, tensors,
    trust, client_scheme, levelled_keyset, levelled_parameters, ring_tensor, levelled_scheme, ternary,
    answers, levelled_batch, linear_parameters, bulk_spec, squares_answers, bulk_parameters, squares_keyset,
    squares_parameters, windows,
]  # fmt: skip
LEVELLED_MODULES = [levelled_keyset, levelled_batch, levelled_parameters, ring_tensor, levelled_scheme, ternary]
LEVELLED_SHARE, RING_SHARE = 0.2, 0.2
"""Of the cases."""
CPU_SECONDS, WALL_SECONDS, MEGABYTES = 10, 120, 100

EXCLUDED = (
    # What the caller of the API passes, not what others write.
    ("key_file:write", ""),
    ("key_file:_derive", ""),
    ("key_file:mark", ""),
    ("inference:Inference.lone_row", ""),
    ("key_file:_read_body", "is no file"),
    ("lifetime:Lifetime.until", ""),
    ("remote_model:RemoteModel", ""),
    ("security:minimum_log2_deviation", ""),
    ("trust:Trust.__post_init__", ""),
    ("tensor:EncryptedTensor.trimmed", ""),
    ("decoder:Decoder.predict_proba", ""),
    ("decoder:Decoder.require_probabilities", ""),
    ("decoder:Decoder.require_contributions", ""),
    ("client_scheme:Bootstrapped.pack", ""),
    ("client_scheme:Levelled.check_keyset", ""),
    ("ternary:generate", ""),
    # No gadget that is allowed has leaves so fine: at most 24 bits and 11 doublings, words have 36.
    ("parameters:LevelledParameters.__post_init__", "leaves down to"),
    # No more slots than an answer may have leave room for an input.
    ("linear_parameters:LinearParameters.__post_init__", "leave no room"),
    ("client_spec:ClientSpec.bootstrapped", ""),
    ("decoder:Decoder._shifted", ""),
    # Rows to encode.
    ("categorical_encoder:CategoricalEncoder._level", ""),
    ("categorical_encoder:CategoricalEncoder._category", ""),
    ("encoders:_encode_column", ""),
    # What a message cannot express, because its fields have types.
    ("tensor:EncryptedTensor.__post_init__", "either a seed or masks"),
    ("tensor:EncryptedTensor.__post_init__", "words of fewer than 64 bits"),
    ("keyset:_require_id", ""),
    ("categorical_encoder:CategoricalEncoder.__post_init__", "is not a 64-bit integer"),
    ("decoder:Decoder._check_labels", "labels are of two kinds"),
    ("decoder:Decoder._check_labels", "does not fit 64 bits"),
)
"""Places that no byte of others' can reach."""


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    try:
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def too_long(_number: int, _frame: FrameType | None) -> None:
    """The alarm of a case that hangs."""
    raise TimeoutError(f"a case took more than {CPU_SECONDS} s of CPU, or {WALL_SECONDS} s")


def set_alarms(cpu_seconds: int, wall_seconds: int) -> None:
    """Of one case; 0 seconds: of none."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def fuzz(cases: int, seed: int, *, show: bool = True, only_levelled: bool = False) -> tuple[Hits, list[str]]:
    """Run cases, of all targets or of the scheme levelled's alone; returns what was refused where, and failures."""
    random = Random(seed)
    failures: list[str] = []
    outcomes: Counter[str] = Counter()
    hits = Hits(LEVELLED_MODULES if only_levelled else MODULES, EXCLUDED)
    levelled_share, ring_share = (1.0, 0.0) if only_levelled else (LEVELLED_SHARE, RING_SHARE)
    key_file._SCRYPT_N = 2  # what deriving a key costs is no validator
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, too_long)
        signal.signal(signal.SIGALRM, too_long)
    with tempfile.TemporaryDirectory() as folder:
        shop, levelled = Workshop(Path(folder), random), LevelledWorkshop(Path(folder), random)
        targets: list[tuple[str, Callable[[], None]]] = []
        targets += [(target.__name__, partial(target, shop)) for target, _ in TARGETS]
        targets += [(target.__name__, partial(target, levelled)) for target, _ in LEVELLED_TARGETS]
        rings = RingWorkshop(random)
        targets += [(target.__name__, partial(target, rings)) for target, _ in RING_TARGETS]
        weights = [weight * (1 - levelled_share - ring_share) for _, weight in TARGETS]
        weights += [weight * levelled_share for _, weight in LEVELLED_TARGETS]
        weights += [weight * ring_share for _, weight in RING_TARGETS]
        baseline, began = peak_megabytes(), time.process_time()
        for case in range(cases):
            ((name, target),) = random.choices(targets, weights)
            set_alarms(CPU_SECONDS, WALL_SECONDS)
            try:
                target()
                outcomes[f"{name}: read"] += 1
            except TYPED as error:
                hits.count(error)
                outcomes[f"{name}: {type(error).__name__}"] += 1
            except Exception:  # noqa: BLE001 (that is what is looked for)
                failures.append(f"case {case} of seed {seed}, {name}:\n{traceback.format_exc(limit=-4)}")
            finally:
                set_alarms(0, 0)
        growth = peak_megabytes() - baseline
    if growth > MEGABYTES:
        failures.append(f"memory grew by {growth:.0f} MB, at most {MEGABYTES}")
    if show:
        for name, count in sorted(outcomes.items()):
            print(f"{count:8d}  {name}")
        for place, name in sorted(hits.known.items(), key=lambda item: item[1]):
            print(f"{hits.counts[place]:8d}  {name} (line {place[1]})")
        print(
            f"{cases} cases, {time.process_time() - began:.0f} s of CPU, memory +{growth:.0f} MB "
            f"(peak {peak_megabytes():.0f} MB), {len(hits.known)} validators, {len(hits.missed())} never reached"
        )
    return hits, failures


def main() -> int:
    """Run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="mutations (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help="to repeat a run")
    parser.add_argument("--only-levelled", action="store_true", help="what is the scheme levelled's own")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    hits, failures = fuzz(options.cases, options.seed, only_levelled=options.only_levelled)
    for failure in failures[:20]:
        print(f"FAILURE {failure}")
    for name in hits.missed():
        print(f"NEVER REACHED {name}")
    return 1 if failures or hits.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
