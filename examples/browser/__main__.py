"""A web page that asks a model about a biopsy, with measurements that never leave the browser unencrypted.

python -m examples.browser          serve page and model, and say where to look (Node 20 and npm build the page)
python -m examples.browser --fast   build it, ask the model once, and end
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

import cryptable as ct
import pandas as pd
from cryptable_client import connect
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from examples.browser.site import origin_of, reserved, serving
from examples.serving import running_server, web_address

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("page")
SHOWN = {
    "worst perimeter", "worst concave points", "mean concave points", "worst area", "worst texture", "worst concavity",
}  # fmt: skip
PATIENTS = 12


def trained() -> tuple[ct.CompiledModel, pd.DataFrame, pd.Series]:
    """A model that also tells what each measurement adds, and rows that it has not seen."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    fitted = XGBClassifier(n_estimators=40, max_depth=2, learning_rate=0.2, random_state=0).fit(X_train, y_train)
    model = ct.compile(fitted, X_train, name="tumour", scheme="levelled", explain="contributions", show_progress=False)
    right = (model.predict(X_test) == y_test).mean()
    print(f"trained on {len(X_train)} patients; right on {right:.1%} of {len(X_test)} others")
    return model, X_test, y_test


def build(folder: Path, server: str, rows: pd.DataFrame, labels: pd.Series) -> bool:
    """The page's files; False where there is nothing to build them with."""
    if not (ROOT / "packages/web/node_modules").is_dir():
        return False
    shutil.copy(PAGE / "index.html", folder)
    shutil.copy(PAGE / "style.css", folder)
    features = [
        {"name": name, "low": float(rows[name].min()), "high": float(rows[name].max()), "shown": name in SHOWN}
        for name in rows.columns
    ]
    patients = [
        {"values": values, "malignant": not benign}
        for values, benign in zip(rows[:PATIENTS].to_numpy().tolist(), labels[:PATIENTS], strict=True)
    ]
    config = {"server": server, "model": "tumour", "features": features, "patients": patients}
    (folder / "config.js").write_text(f"export default {json.dumps(config)};\n")
    bundle = ["node", ROOT / "packages/web/bundle.mjs", PAGE / "main.ts", folder / "main.js"]
    subprocess.run(bundle, check=True, stdout=subprocess.DEVNULL)
    return True


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="build the page, ask the model once, and end")
    parser.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")
    options = parser.parse_args()
    model, rows, labels = trained()
    site = reserved(options.port)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        (folder / "site").mkdir()
        model.save(folder / "models/tumour.cryptable")
        # On one machine there is nothing to gain from TLS, and no certificate that browsers would trust.
        web = ("--insecure", "--web-address", "127.0.0.1:0", "--web-origins", origin_of(site))
        with running_server(folder, *web) as (address, _):
            server = f"http://{web_address(folder)}".replace("127.0.0.1", "localhost")
            with connect(address, model="tumour", insecure=True) as remote:
                assert (remote.predict(rows[:2]) == model.predict(rows[:2])).all()
            print(f"the model answers at {server}, pages of {origin_of(site)} alone")
            if not build(folder / "site", server, rows, labels):
                sys.exit(None if options.fast else "the page is built with Node 20 and npm: run `make setup-web`")
            with serving(site, folder / "site", server=server):
                with urllib.request.urlopen(origin_of(site)) as page:
                    assert "'none'" in page.headers["Content-Security-Policy"]
                print(f"the page is at {origin_of(site)}", flush=True)
                if not options.fast:
                    print("end with Ctrl-C", flush=True)
                    threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
