"""The benchmark report says what its figures say, and nothing of the machine but its kind; the README quotes it."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs/benchmarks"
FIGURES = json.loads((FOLDER / "quick.json").read_text(encoding="utf-8"))


def test_report_and_readme_are_made_of_the_figures():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/bench/render.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_every_decrypted_row_was_the_clear_one():
    models = FIGURES["models"]["figures"]
    assert len(models) >= 10
    assert all(model["encrypted_equals_clear"] for model in models)


def test_report_shows_every_plot():
    shown = set(re.findall(r"!\[.+\]\((.+\.svg)\)", (FOLDER / "index.md").read_text(encoding="utf-8")))
    assert shown == {path.name for path in FOLDER.glob("*.svg")} != set()


def test_scores_are_those_of_the_float_models():
    for model in FIGURES["models"]["figures"]:
        assert abs(model["score"] - model["float_score"]) < 0.02, model["case"]
