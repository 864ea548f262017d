"""Calls every entry point of the kernel with random arguments, under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tools/fuzz_kernel.py [--seconds N] [--seed N] [--entry NAME] [--size N]
    python tools/fuzz_kernel.py --seconds 0 --coefficients 2000000 --lookups 20000

The source is compiled with both sanitizers for four lanes in plain instructions, for four in AVX2, and for eight in
AVX2 (the path for AVX-512, as far as this machine can run it). A process for each, which loads the sanitizer first,
calls it: through the package's own Python, with arrays that end where their memory ends, of every size of ring up to
2048 (larger ones by --size) and of random counts, gadgets, forms and indices; values are torus elements, or random
bits, infinities and what is no number among them; words are any. A failure (status 1) is a report of a sanitizer, a
result that is no number where values were torus elements, one outside −1/2 … 1/2 where it should be centred, or an
entry point that no call reached.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from cryptable_kernel import (
    MAX_ROWS,
    STAYS,
    SWITCHED,
    Bootstrap,
    BootstrapShape,
    ExpansionKeys,
    Forms,
    Kernel,
    Keyswitch,
    KeyswitchShape,
    Ring,
    lookups,
    ring,
)

NATIVE = Path(__file__).resolve().parents[1] / "packages/kernel/native"
BUILDS = {
    "base, four lanes": ("base", ()),
    "AVX2, four lanes": ("avx2", ("-mavx2", "-mfma")),
    "AVX2, eight lanes": ("avx512", ("-mavx2", "-mfma")),
}
FLAGS = (
    *("-O1", "-std=gnu11", "-ffp-contract=fast", "-Wno-psabi", "-fPIC", "-shared"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
)
SIZES = (512, 1024, 2048)
LARGE = (4096, 8192, 16384)
"""Only where they are asked for: so many middle passes, by four lanes, has none below."""
Array = npt.NDArray[Any]


def exact(*shape: int) -> Array:
    """As `aligned`, in memory that ends with the array, so that the sanitizer sees the first double beyond it."""
    library = ctypes.CDLL(None)
    size, place = 8 * int(np.prod(shape, dtype=np.int64)), ctypes.c_void_p()
    if not size:
        return np.empty(shape)
    if library.posix_memalign(ctypes.byref(place), ctypes.c_size_t(64), ctypes.c_size_t(size)) or place.value is None:
        raise MemoryError
    memory = (ctypes.c_double * (size // 8)).from_address(place.value)
    array: Array = np.ctypeslib.as_array(memory).reshape(shape)
    array[...] = 0.0
    _ALLOCATED.append(place.value)
    return array


_ALLOCATED: list[int] = []
ENTRIES = (
    *("transform", "transform_back", "pairs", "expand", "switch_leaves", "forms", "products", "turn", "add_multiple"),
    *("bootstrap_key", "bootstrap", "keyswitch"),
)


def free_all(first: int) -> None:
    """What was allocated since there were `first` arrays."""
    library = ctypes.CDLL(None)
    library.free.argtypes = (ctypes.c_void_p,)
    while len(_ALLOCATED) > first:
        library.free(_ALLOCATED.pop())


class Caller:
    """Random calls of one ring's entry points."""

    def __init__(
        self, kernel: Kernel, random: np.random.Generator, entries: tuple[str, ...], sizes: tuple[int, ...]
    ) -> None:
        self.random, self.entries = random, entries
        self.rings = [Ring(kernel, size) for size in sizes]
        self.calls: Counter[str] = Counter()
        self.coefficients: Counter[str] = Counter()

    def values(self, *shape: int, wild: bool) -> Array:
        """Torus elements; of wild ones, some are any bits."""
        found = exact(*shape)
        found[...] = self.random.integers(-(2**51), 2**51, shape, endpoint=True) * 2.0**-52
        if wild:
            bits = self.random.integers(0, 1 << 64, shape, np.uint64).view(np.float64)
            special = self.random.choice([np.inf, -np.inf, np.nan, 1e300, -5e-324], shape)
            kind = self.random.integers(0, 4, shape)
            found[...] = np.where(kind == 0, bits, np.where(kind == 1, special, found))
        return found

    def gadget(self, most: int) -> tuple[int, int]:
        """Of at most `most` digits."""
        levels = int(self.random.integers(1, most + 1))
        return levels, int(self.random.integers(1, min(52 // levels, 20) + 1))

    def count(self, most: int = 4) -> int:
        """0 … most."""
        return int(self.random.integers(0, most + 1))

    def forms(self, on: Ring, count: int, leaves: int, places: int) -> Forms:
        """Of random terms and reads."""
        random, n = self.random, on.size

        def firsts(length: int, most: int) -> Array:
            return np.concatenate([[0], np.cumsum(random.integers(0, most + 1, length))])

        terms, reads = firsts(count, 3 if places else 0), firsts(count, 3 if leaves else 0)
        entries = firsts(int(reads[-1]), 4)
        ready = int(random.integers(0, reads[-1] + 1))
        slots = int(random.choice([0, 1, 3, n]))
        return Forms(
            n,
            term_first=terms,
            term_place=random.integers(0, max(places, 1), terms[-1]),
            term_sign=random.choice([-1.0, 1.0], terms[-1]),
            read_first=reads,
            read_source=random.integers(0, max(leaves, 1), reads[-1]),
            weight_first=entries,
            weight_at=random.integers(0, n, entries[-1]),
            weight=random.integers(-(1 << 14), 1 << 14, entries[-1]),
            constant=self.values(count, slots, wild=False),
            spectra=self.values(ready, n, wild=False),
            folded=int(random.integers(0, leaves + 1)),
        )

    def once(self, entry: str = "") -> None:
        """One random call, of any entry point or of this one, with what it needs."""
        random = self.random
        on = self.rings[int(random.integers(len(self.rings)))]
        wild = bool(random.integers(0, 3) == 0)
        n, scratch, before = on.size, on.scratch(), len(_ALLOCATED)
        name = entry or str(random.choice(self.entries))
        results: list[Array] = []
        centred = False
        match name:
            case "transform" | "transform_back":
                given, out = self.values(count := self.count(), n, wild=wild), exact(count, n)
                getattr(on, name)(given, out)
                results = [out]
            case "pairs":
                results = [self.values(self.count(), 2, n, wild=wild)]
                on.pairs(results[0], scratch)
            case "expand":
                depth = int(random.integers(1, 5))
                shift = int(random.integers(0, int(np.log2(n)) - depth + 1))
                tree = self.values(int(random.integers(1, (1 << depth) + 1)), 2, n, wild=wild)
                gadgets = [self.gadget(min(MAX_ROWS, 8)) for _ in range(depth + shift)]
                gadget, level = self.gadget(MAX_ROWS), int(random.integers(0, depth + 1))
                keys = ExpansionKeys(
                    n,
                    gadgets=gadgets,
                    automorphisms=[self.values(levels, 2, n, wild=False) for levels, _ in gadgets],
                    gadget=gadget,
                    switch=self.values(gadget[0], 2, n, wild=False),
                )
                becomes = (
                    random.integers(STAYS, SWITCHED + 1, len(tree)) if random.integers(0, 2) else np.zeros(len(tree))
                )
                switched = exact(int(np.flatnonzero(becomes == SWITCHED).max(initial=-1)) + 1, 2, n)
                first = int(random.integers(0, min(len(tree), 1 << level)))
                on.expand(tree, depth, shift, keys, becomes, switched, scratch, below=(first, level))
                results, centred = [tree, switched], not becomes.any()
            case "switch_leaves":
                gadget, count = self.gadget(MAX_ROWS), self.count()
                results = [self.values(count, 2, n, wild=wild), exact(count, 2, n)]
                on.switch_leaves(results[0], gadget, self.values(gadget[0], 2, n, wild=False), results[1], scratch)
            case "forms" | "products":
                count, leaves, places = self.count(), self.count(), self.count()
                forms = self.forms(on, count, leaves, places)
                given, products = self.values(leaves, 2, n, wild=wild), self.values(places, 2, n, wild=wild)
                first = int(random.integers(0, count + 1))
                if name == "forms" or not places:
                    name, results, centred = "forms", [exact(count - first, 2, n)], True
                    on.forms(forms, first, count, given, products, results[0], scratch)
                else:
                    gadget = self.gadget(MAX_ROWS // 2)
                    rows = gadget[0] + self.count(3)
                    on.products(
                        forms,
                        first,
                        count,
                        given,
                        products,
                        gadget=gadget,
                        switched=self.values(rows, 2, n, wild=False),
                        rows=self.values(rows, 2, n, wild=False),
                        begin=random.integers(0, rows - gadget[0] + 1, count - first),
                        place=random.integers(0, places, count - first),
                        scratch=scratch,
                    )
                    results = [products]
            case "turn":
                tables, chosen = self.values(int(random.integers(1, 4)), 2, n, wild=wild), self.count()
                masks, bodies = self.gadget(MAX_ROWS // 2), self.gadget(MAX_ROWS // 2)
                on.turn(
                    tables,
                    random.integers(0, len(tables), chosen),
                    random.integers(0, 2 * n, chosen),
                    gadgets=(masks, bodies),
                    mask_rows=list(self.values(masks[0], 2, n, wild=False)),
                    body_rows=list(self.values(bodies[0], 2, n, wild=False)),
                    scratch=scratch,
                )
                results, centred = [tables], True
            case "bootstrap_key" | "bootstrap" | "keyswitch":
                self.look_up(name, on)
            case _:
                results = [exact(2, n)]
                on.add_multiple(self.values(n, wild=wild), self.values(2, n, wild=wild), results[0], scratch)
        for result in results:
            if not wild and not np.isfinite(result).all():
                raise SystemExit(f"{name}, N = {n}: a result is no number")
            if not wild and centred and result.size and np.abs(result).max() > 0.5:
                raise SystemExit(f"{name}, N = {n}: a result is {np.abs(result).max()}, not centred")
            self.coefficients[name] += result.size
        self.calls[name] += 1
        free_all(before - 1)  # scratch, too

    def words(self, *shape: int) -> Array:
        """Any words."""
        found = exact(*shape).view(np.uint64)
        found[...] = self.random.integers(0, 1 << 64, shape, np.uint64)
        return found

    def look_up(self, name: str, on: Ring) -> None:
        """Some lookups, or keyswitches, under keys of few bits and any digits."""
        random, count = self.random, int(self.random.integers(1, 5))
        bits = int(random.integers(1, 7))
        if name == "keyswitch":
            levels = int(random.integers(1, lookups.MAX_SWITCH_LEVELS + 1))
            shape = KeyswitchShape(bits, int(random.integers(1, 70)), levels, int(random.integers(1, 52 // levels + 1)))
            if shape.base_log > 31:
                shape = shape._replace(base_log=31)
            switch = Keyswitch(on.kernel, shape)
            key = switch.make_key(self.words(bits, levels, shape.target + 1))
            out = self.words(count, shape.target + 1)
            switch.switch(key, self.words(count, bits + 1), out, switch.scratch(count))
            self.coefficients[name] += out.size
            return
        columns = int(random.integers(2, 6))
        levels = int(random.integers(1, lookups.MAX_BOOTSTRAP_ROWS // columns + 1))
        base_log = int(random.integers(1, min(52 // levels, 31) + 1))
        bootstrap = Bootstrap(on, BootstrapShape(bits, columns - 1, levels, base_log))
        key, scratch = exact(*bootstrap.key_shape), bootstrap.scratch(count)
        if name == "bootstrap_key":
            bootstrap.make_key(self.words(bits, levels, columns, columns, on.size), key, scratch)
            self.coefficients[name] += key.size
        else:
            key[...] = random.uniform(-0.5, 0.5, key.shape) / on.size
            entries = 1 << int(random.integers(0, on.size.bit_length()))
            out = self.words(count, bootstrap.dimension + 1)
            bootstrap.look_up(key, self.words(count, bits + 1), self.words(count, entries), out, scratch)
            self.coefficients[name] += out.size
            self.calls["single lookups"] += count


class Wanted(NamedTuple):
    """Seconds, and what is gone on for after them: coefficients of every entry point's results, and single lookups."""

    seconds: float
    coefficients: int
    lookups: int

    def missing(self, caller: Caller) -> tuple[str, ...]:
        """Entry points that have not been called often enough."""
        few = [each for each in caller.entries if caller.coefficients[each] < self.coefficients]
        if caller.calls["single lookups"] < self.lookups and "bootstrap" not in few:
            few.append("bootstrap")
        return tuple(few)


def child(library: str, path: str, wanted: Wanted, seed: int, entries: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    """Call until there was enough, and print how often."""
    setattr(ring, "aligned", exact)  # noqa: B010  (scratch and tables, too)
    setattr(lookups, "aligned", exact)  # noqa: B010
    caller = Caller(Kernel(ctypes.CDLL(library), path), np.random.default_rng(seed), entries, sizes)
    ended = time.monotonic() + wanted.seconds
    with np.errstate(all="ignore"):
        while time.monotonic() < ended:
            caller.once()
        while few := wanted.missing(caller):
            caller.once(str(caller.random.choice(few)))
    sys.stdout.write(json.dumps([caller.calls, caller.coefficients]) + "\n")


def build(compiler: str, path: str, flags: tuple[str, ...], folder: Path) -> Path:
    """A library of one path with both sanitizers."""
    library = folder / f"{path}.so"
    source = NATIVE / f"path_{path}.c"
    subprocess.run([compiler, *FLAGS, *flags, source, "-o", library, "-lm"], check=True)
    return library


def main() -> int:
    """Fuzz each build; exit status 1 where something is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each build: %(default)s")
    parser.add_argument("--coefficients", type=int, default=0, help="of every entry point's results, at least")
    parser.add_argument("--lookups", type=int, default=0, help="single ones, at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(BUILDS), help="one build; default: all")
    parser.add_argument(
        "--entry", choices=ENTRIES, action="append", help="one entry point; may be repeated; default: all"
    )
    parser.add_argument("--size", type=int, choices=(*SIZES, *LARGE), action="append", help="of rings; likewise")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    entries, sizes = tuple(options.entry or ENTRIES), tuple(options.size or SIZES)
    if options.child:
        library, path = options.child
        child(
            library, path, Wanted(options.seconds, options.coefficients, options.lookups), options.seed, entries, sizes
        )
        return 0
    compiler = os.environ.get("CC", "gcc")
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, flags) in BUILDS.items():
            if options.only not in (None, name):
                continue
            library = build(compiler, path, flags, Path(folder))
            command: list[str | Path] = [sys.executable, __file__, "--seconds", str(options.seconds)]
            command += ["--coefficients", str(options.coefficients), "--lookups", str(options.lookups)]
            command += ["--seed", str(options.seed), "--child", library, path]
            command += [word for entry in entries for word in ("--entry", entry)]
            command += [word for size in sizes for word in ("--size", str(size))]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                failed = True
                print(f"{name}: status {done.returncode}\n{done.stderr[-6000:]}", flush=True)
                continue
            calls, coefficients = json.loads(done.stdout)
            failed |= not set(entries) <= set(calls)
            print(f"{name}: {sum(calls.values())} calls, {sum(coefficients.values())} coefficients, nothing found")
            print("  " + ", ".join(f"{each} {calls[each]}" for each in sorted(calls)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
