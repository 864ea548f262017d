"""Takes pictures of what notebooks show of a model, its explanation and a remote model.

python tools/website/notebook.py [--chromium PROGRAM]

They are docs/pictures/notebook-*.png. The HTML is what Jupyter asks these objects for, in cells as wide as its own, and
a server answers the rows. Chromium draws it (`tools/install_chromium.sh` installs that); without one, nothing is
written, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cryptable as ct
import cryptable_client
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples.serving import running_server

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/pictures"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_WIDTH = 1100
_HEIGHTS = {"model": 790, "explanation": 750, "remote": 225}
_STYLE = """
body { margin: 16px; background: #fff; font: 14px/1.4 'DejaVu Sans', sans-serif; }
.in { display: flex; }
.prompt { width: 70px; color: #307fc1; font: 13px 'DejaVu Sans Mono', monospace; padding-top: 9px; }
.out .prompt { color: #bf5b3d; }
pre.code { flex: 1; margin: 0 0 8px; padding: 8px; background: #f7f7f7; border: 1px solid #e0e0e0;
  font: 13px 'DejaVu Sans Mono', monospace; }
.out { display: flex; } .shown { flex: 1; min-width: 0; font-size: 12px; } .shown pre { font-size: 12px; }
.shown table { border-collapse: collapse; } .shown th, .shown td { padding: 5px 9px; text-align: left; }
.shown tr:nth-child(odd) { background: #f5f5f5; }
"""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", help="program; by default the first that is found")
    program = parser.parse_args().chromium or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        sys.stderr.write("no Chromium here: tools/install_chromium.sh installs it\n")
        return 1
    for name, cells in _cells().items():
        _draw(program, _page(cells), FOLDER / f"notebook-{name}.png", _HEIGHTS[name])
    return 0


def _cells() -> dict[str, tuple[str, str]]:
    """By picture, what stands in a cell, and the HTML below it."""
    table = load_breast_cancer(as_frame=True)
    forest = RandomForestClassifier(20, max_depth=4, random_state=0).fit(table.data, table.target)
    model = ct.compile(forest, table.data, name="tumours", show_progress=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        model.save(folder / "models/tumours.cryptable")
        with (
            running_server(folder) as (address, certificate),
            cryptable_client.connect(
                address, model="tumours", root_certificates=certificate, pins=folder / "pins", progress=False
            ) as remote,
        ):
            remote.predict(table.data[:5])
            shown = remote._repr_html_()
    return {
        "model": ("model = ct.compile(forest, X_train)\nmodel", model._repr_html_()),
        "explanation": ("model.explain()", model.explain()._repr_html_()),
        "remote": ("remote.predict(X_test[:5])\nremote", shown),
    }


def _page(cell: tuple[str, str]) -> str:
    code, shown = cell
    return (
        f"<!doctype html><meta charset='utf-8'><style>{_STYLE}</style>"
        f"<div class='in'><div class='prompt'>In [1]:</div><pre class='code'>{html.escape(code)}</pre></div>"
        f"<div class='out'><div class='prompt'>Out[1]:</div><div class='shown'>{shown}</div></div>"
    )


def _draw(program: str, page: str, target: Path, height: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "cell.html"
        source.write_text(page, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--user-data-dir={name}/profile", f"--window-size={_WIDTH},{height}", f"--screenshot={target}"]
        subprocess.run([program, *options, source.as_uri()], check=True, capture_output=True, timeout=120)
    sys.stdout.write(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
