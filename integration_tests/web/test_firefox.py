"""Rows of all models from a page in Firefox, where there is one: another engine's WebCrypto, IndexedDB and doubles."""

import shutil
import subprocess
from pathlib import Path

import pytest
from marionette import running
from node import WEB, required
from test_against_python import agree, as_json

from examples.browser.site import origin_of, serving

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("web")]
HERE = Path(__file__).parent


def test_every_row_is_the_python_clients(request, tmp_path):
    required()
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        pytest.skip("there is no firefox on the path, nor does CI install one")
    served = request.getfixturevalue("served")
    site, profile = tmp_path / "site", tmp_path / "profile"
    site.mkdir()
    profile.mkdir()
    shutil.copy(HERE / "rows.html", site)
    subprocess.run(["node", WEB / "bundle.mjs", HERE / "rows.ts", site / "rows.js"], check=True)
    tables = {name: as_json(model.rows) for name, model in served.models.items()}
    with serving(served.sites[1], site, server=served.url), running(firefox, profile) as browser:
        browser.open(f"{origin_of(served.sites[1])}/rows.html")
        found = browser.called("predictRows", served.url, tables)["found"]
    for name, model in served.models.items():
        agree(model, found[name])
