"""Prepares a checkout of the FHE Benchmarking Suite's workload ml-inference to run with the scheme squares.

git clone https://github.com/fhe-benchmarking/ml-inference build/ml-inference
python examples/mnist/data.py build/mnist
python tools/bench/fhe_suite.py build/ml-inference --mnist build/mnist
cd build/ml-inference && PATH=$PWD/venv/bin:$PATH python3 harness/run_submission.py 0 --seed 3      1: small, 2: medium

What is replaced in the checkout: `submission/`, by a model and by programs that call fhe_suite_stages.py; the scripts
that build it, which have nothing left to do; and the step that downloads MNIST: a module of ours stands in for
torchvision, and reads FOLDER's file. The harness itself runs as it is. The model is 784-128-10 with squares, trained
here on MNIST's 60 000 training images as tools/bench/squares.py does; --epochs trains it for fewer.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cryptable as ct
import numpy as np
from environments import find_uv
from fhe_suite_stages import STAGES, server_preprocess_model
from squares import mnist

HARNESS_NEEDS = "absl-py>=2"
"""Beside torch and NumPy, which are this environment's."""


def make_environment(checkout: Path, mnist_file: Path) -> None:
    """For the harness: what this one has, absl, and what stands in for torchvision."""
    uv, venv = find_uv(), checkout / "venv"
    own = venv / "lib" / Path(sysconfig.get_path("purelib")).parent.name / "site-packages"
    if not venv.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
        command = [uv, "pip", "install", "--quiet", "--no-config", "--no-deps", "--python", str(venv / "bin/python")]
        subprocess.run([*command, HARNESS_NEEDS], check=True, cwd=checkout)
    (own / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    shutil.copy(Path(__file__).with_name("fhe_suite_torchvision.py"), own / "torchvision.py")
    shutil.copy(mnist_file, own / "mnist.npz")


def write_submission(checkout: Path, model: ct.CompiledModel) -> None:
    """The model, and a program for each stage."""
    submission = checkout / "submission"
    shutil.rmtree(submission, ignore_errors=True)
    (submission / "build").mkdir(parents=True)
    model.artifact.save(submission / "model.cryptable")
    (submission / "spec.bin").write_bytes(model.artifact.client_spec.to_bytes())
    for stage in (*STAGES, server_preprocess_model.__name__):
        program = submission / "build" / stage
        program.write_text(
            f'#!/bin/sh\nOMP_NUM_THREADS=1 exec "{sys.executable}" "{Path(__file__).with_name("fhe_suite_stages.py")}" '
            f'"{submission}" {stage} "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
    for script in ("get_openfhe.sh", "build_task.sh"):
        (checkout / "scripts" / script).write_text("#!/bin/sh\n# Nothing to build.\n", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="of the suite")
    parser.add_argument("--mnist", type=Path, required=True, metavar="FOLDER", help="with mnist.npz")
    parser.add_argument("--epochs", type=int, help="of training")
    asked = parser.parse_args()
    checkout = asked.checkout.resolve()
    if not (checkout / "harness/run_submission.py").is_file():
        raise SystemExit(f"{asked.checkout} is no checkout of the suite: it has no harness/run_submission.py")
    make_environment(checkout, asked.mnist / "mnist.npz")
    classifier, (X_train, X_test, y_train, y_test) = mnist(asked.mnist)
    if asked.epochs is not None:
        classifier.set_params(max_epochs=asked.epochs)
    classifier.fit(X_train, y_train)
    model = ct.compile(classifier, X_train[:5000], show_progress=False)
    print(f"accuracy in the clear, on {len(X_test)} images: {np.mean(model.predict(X_test) == y_test):.4f}")
    write_submission(checkout, model)


if __name__ == "__main__":
    main()
