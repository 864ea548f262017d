"""The demo's page in headless Chromium, over TLS: first visits and returns, keys, and rows, beside their bars.

python tools/bench/browser.py               five visitors with profiles of their own, each of whom returns three times
python tools/bench/browser.py --visits 9 --rows 20

Takes Chromium, and Node with what `make setup-web` installs. Figures are medians in milliseconds of wall time, and the
least of each, which a busy machine inflates less; bars are for medians of a machine at rest.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from measured_with import about
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples.browser.__main__ import build, trained
from examples.browser.site import origin_of, reserved, serving
from examples.serving import running_server, web_address

WEB = Path(__file__).resolve().parents[2] / "packages/web"
STEPS = {
    "keys": ("a secret and its evaluation keys", 250),
    "keysKept": ("first visit: keys made, sealed and kept", 400),
    "keysFound": ("return: keys found and unsealed", 20),
    "first": ("first visit, `connect`: that, model fetched, keys uploaded", None),
    "firstReady": ("first visit: the page ready, from its beginning", None),
    "again": ("return, `connect`: model fetched, keys found here and there", None),
    "againReady": ("return: the page ready, from its beginning", None),
    "encrypt": ("a row encrypted", 5),
    "decrypt": ("an answer decrypted and read", 2),
}
KEYS_PAGE = '<!doctype html><title>Keys</title><script type="module" src="keys.js"></script>'


def measured(visits: int, rows: int) -> dict[str, list[float]]:
    """Milliseconds by step."""
    model, X, y = trained()
    site = reserved()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages = folder / "site"
        (folder / "models").mkdir()
        pages.mkdir()
        model.save(folder / "models/tumour.cryptable")
        with running_server(folder, "--web-address", "localhost:0", "--web-origins", origin_of(site)) as (
            _,
            certificate,
        ):
            server = f"https://localhost:{web_address(folder).rpartition(':')[2]}"
            if not build(pages, server, X, y):
                raise SystemExit("the page is built with Node 20 and npm: run `make setup-web`")
            bundle = ["node", str(WEB / "bundle.mjs"), str(WEB / "measure/keys.ts"), str(pages / "keys.js")]
            subprocess.run(bundle, check=True, stdout=subprocess.DEVNULL)
            (pages / "keys.html").write_text(KEYS_PAGE)
            settings = {
                "site": origin_of(site),
                "spki": _fingerprint(certificate),
                "executable": shutil.which("chromium") or shutil.which("google-chrome"),
                "visits": visits,
                "rows": rows,
            }
            with serving(site, pages, server=server):
                command = ["node", str(WEB / "measure/visits.mjs")]
                done = subprocess.run(
                    command, input=json.dumps(settings), stdout=subprocess.PIPE, text=True, check=True
                )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def _fingerprint(certificate: Path) -> str:
    """What Chromium knows a public key by: the certificate is self-signed."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10, help="of each visitor")
    options = parser.parse_args()
    found = measured(options.visits, options.rows)
    facts = about()
    table = Table("ms", "median", "least", "bar", title=f"{facts['cpu']}, load {facts['load']:.1f}, {facts['date']}")
    for step, (what, bar) in STEPS.items():
        took = found[step]
        table.add_row(what, f"{statistics.median(took):.1f}", f"{min(took):.1f}", str(bar or ""))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
