"""Labels of small random classifiers beside their compiled models: where scores tie, and on all rows.

    python tools/bench/tied_labels.py                          26 seeds, 156 classifiers, levelled: a minute or two
    python tools/bench/tied_labels.py --scheme bootstrapped

Trees, forests, gradient boosting, XGBoost and LightGBM on whole numbers, so that many scores tie. Plans are evaluated
in the clear, which is what ciphertexts compute, bit for bit.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable.compiling.plan import imported_for, plan_imported
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import ConstantModelError
from cryptable_engine import interpret
from cryptable_protocol import encode_rows

SUPPORT = Path(__file__).resolve().parents[2] / "packages/dev/tests/support"
Classifier: TypeAlias = Any


def tied_rows(model: Classifier, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Rows whose highest scores are equal, by the library's own; shape (rows,)."""
    if type(model).__name__ == "XGBClassifier":  # its probabilities are rounded once more
        scores = np.asarray(model.predict(rows, output_margin=True), np.float64)
    else:
        scores = np.asarray(model.predict_proba(rows), np.float64)
    if scores.ndim == 1:
        return np.asarray(scores == 0)
    highest = np.sort(scores, axis=1)
    return np.asarray(highest[:, -1] == highest[:, -2])


def main() -> int:
    """Run the command line; exit status 1 where a tied row has another label."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=26, help="of six classifiers each; by default 26")
    parser.add_argument("--scheme", choices=("levelled", "bootstrapped"), default="levelled")
    options = parser.parse_args()
    sys.path.insert(0, str(SUPPORT))
    from random_classifiers import random_classifiers  # type: ignore[import-not-found]

    counted = dict.fromkeys(("classifiers", "constant", "with ties", "tied rows", "tied rows wrong", "below 99 %"), 0)
    warnings.simplefilter("ignore")
    for seed in range(options.seeds):
        for model, rows, everywhere in random_classifiers(seed):
            counted["classifiers"] += 1
            asked = CompileSettings(scheme=options.scheme)
            try:
                planned = plan_imported(*imported_for(model, rows, asked), asked)
            except ConstantModelError:
                counted["constant"] += 1
                continue
            labels = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, everywhere)))
            tied = tied_rows(model, everywhere)
            counted["with ties"] += int(tied.any())
            counted["tied rows"] += int(tied.sum())
            counted["tied rows wrong"] += int(np.sum(labels[tied] != model.predict(everywhere)[tied]))
            agreement = planned.agreement
            counted["below 99 %"] += int(agreement is not None and (agreement.labels or 0.0) < 0.99)
    for name, count in counted.items():
        print(f"{name}: {count}")
    return int(counted["tied rows wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
