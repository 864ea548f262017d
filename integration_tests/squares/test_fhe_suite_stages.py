"""The stages of the FHE Benchmarking Suite, as its harness runs them: programs that share files alone."""

import subprocess
import sys
from pathlib import Path

import cryptable as ct
import numpy as np
import pytest
from cryptable.neural import QuantNeuralNetClassifier
from sklearn.datasets import load_digits

STAGES = Path(__file__).parents[2] / "tools/bench/fhe_suite_stages.py"
BEFORE = ("client_preprocess_input", "client_encode_encrypt_input")
AFTER = ("server_encrypted_compute", "client_decrypt_decode", "client_postprocess")


@pytest.mark.encrypted
def test_labels_of_a_small_run_are_the_models(tmp_path):
    X, y = load_digits(return_X_y=True)
    few = {"input_bits": 2, "weight_bits": 2, "output_weight_bits": 3, "max_epochs": 1, "random_state": 0}
    classifier = QuantNeuralNetClassifier((8,), activation="square", **few).fit(X * 16, y)
    model = ct.compile(classifier, X * 16, show_progress=False)
    submission = tmp_path / "submission"
    submission.mkdir()
    model.artifact.save(submission / "model.cryptable")
    (submission / "spec.bin").write_bytes(model.artifact.client_spec.to_bytes())
    pixels = tmp_path / "datasets/small/intermediate/test_pixels.txt"
    pixels.parent.mkdir(parents=True)
    np.savetxt(pixels, X[:3] * 16 / 255, fmt="%.6f")

    def run(stage, *size):
        subprocess.run([sys.executable, str(STAGES), str(submission), stage, *size], check=True, cwd=tmp_path)

    run("client_key_generation", "1")
    run("server_preprocess_model")
    for stage in (*BEFORE, *AFTER):
        run(stage, "1")
    found = (tmp_path / "io/small/encrypted_model_predictions.txt").read_text("ascii").split()
    assert found == [str(label) for label in model.predict(X[:3] * 16)]
