"""A hundred trees of unlimited depth by the scheme levelled: compiled, then rows evaluated in a process of its own.

python tools/bench/big_forest.py                five rows, in NumPy
python tools/bench/big_forest.py --rows 1 --kernel

Data are make_classification(5000, 30), split with train_test_split(test_size=0.2, random_state=0). The process that
evaluates has the program that was compiled, and no estimator: its peak memory is a worker's and a small client's.
Answers are compared with the interpreter's, which the compiling process asked.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREES = 100


def main() -> int:
    """Compile, evaluate, and print figures; fails where an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--kernel", action="store_true", help="evaluate by the kernel instead of NumPy")
    parser.add_argument("--evaluate", type=Path, metavar="FOLDER", help="as the process that evaluates does")
    options = parser.parse_args()
    if options.evaluate is not None:
        return evaluate(options.evaluate)
    with tempfile.TemporaryDirectory() as folder:
        compile_forest(Path(folder), options.trees, options.rows)
        environment = dict(os.environ) if options.kernel else {**os.environ, "CRYPTABLE_KERNEL": "off"}
        script = [sys.executable, str(Path(__file__).resolve()), "--evaluate", folder]
        return subprocess.run(script, env=environment, check=False).returncode


def compile_forest(folder: Path, trees: int, rows: int) -> None:
    """An artifact, and rows with the answers of the interpreter, in `folder`."""
    import cryptable as ct
    import numpy as np
    from cryptable_engine import compile_circuit, interpret
    from cryptable_protocol import encode_rows
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    X, y = make_classification(5000, 30, random_state=0)
    training, test, known, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    estimator = RandomForestClassifier(n_estimators=trees, random_state=0).fit(training, known)
    began = time.process_time()
    model = ct.compile(estimator, training, scheme="levelled", show_progress=False)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    spec = model.artifact.client_spec
    print(
        f"compiled in {seconds:.1f} s of CPU, {peak:.2f} GiB at most: {model.circuit.products} products, "
        f"{spec.parameters.row_bytes / 1e3:.0f} kB up",
        flush=True,
    )
    (folder / "spec").write_bytes(spec.to_bytes())
    compile_circuit(model.circuit, model.artifact.compile_options, folder / "program", promised=spec.parameters)
    encoded = encode_rows(spec.features, test[:rows])
    np.save(folder / "rows.npy", encoded)
    np.save(folder / "expected.npy", interpret(model.circuit, encoded))


def evaluate(folder: Path) -> int:
    """The rows of `folder`, encrypted, evaluated and decrypted."""
    import numpy as np
    from cryptable.compiled.local_session import LocalSession
    from cryptable_engine import Program
    from cryptable_protocol import ClientSpec

    rows, expected = np.load(folder / "rows.npy"), np.load(folder / "expected.npy")
    spec = ClientSpec.from_bytes((folder / "spec").read_bytes())
    with LocalSession(spec, Program.load(folder / "program")) as session:
        wrong = int(np.any(session.evaluate(rows) != expected, axis=1).sum())
        seconds = session.measured.evaluation_cpu_seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{wrong} wrong of {len(rows)} rows; CPU s a row {', '.join(f'{each:.1f}' for each in seconds)}; ", end="")
    print(f"{peak:.3f} GiB at most")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
