"""The demo's page in headless Chromium, against a real server over TLS; and rows of all models from a page."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from node import WEB, required, unavailable
from PIL import Image
from test_against_python import agree, as_json

from examples.browser.__main__ import build
from examples.browser.site import origin_of, serving

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("web")]
HERE = Path(__file__).parent
PATIENTS = 3


def spki(certificate):
    """What Chromium knows a public key by: the demo's certificate is self-signed."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture(scope="module")
def found(request, tmp_path_factory):
    required()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        unavailable("there is no chromium on the path")
    served = request.getfixturevalue("served")
    folder = tmp_path_factory.mktemp("site")
    tumour = served.models["tumour"]
    assert build(folder, served.url, tumour.rows, tumour.labels)
    shutil.copy(HERE / "rows.html", folder)
    subprocess.run(["node", WEB / "bundle.mjs", HERE / "rows.ts", folder / "rows.js"], check=True)
    settings = {
        "web": str(WEB),
        "chromium": chromium,
        "profile": str(tmp_path_factory.mktemp("profile")),
        "site": origin_of(served.sites[0]),
        "server": served.url,
        "spki": spki(served.certificate),
        "patients": list(range(PATIENTS)),
        "tables": {name: as_json(model.rows) for name, model in served.models.items()},
        "pictures": os.environ.get("CRYPTABLE_WEB_PICTURES"),
    }
    with serving(served.sites[0], folder, server=served.url):
        done = subprocess.run(
            ["node", HERE / "browser.mjs"], input=json.dumps(settings), capture_output=True, text=True, timeout=600
        )
    assert done.returncode == 0, done.stderr
    if settings["pictures"]:
        for path in Path(settings["pictures"]).glob("browser-*.png"):
            Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)
    return json.loads(done.stdout)


def test_the_page_shows_what_the_model_says(found, served):
    tumour = served.models["tumour"]
    for label, value, probabilities in zip(found["labels"], tumour.values, tumour.probabilities, strict=False):
        assert label == f"{('Malignant', 'Benign')[value]}: probability {100 * probabilities[value]:.2f} %"
    assert len(found["labels"]) == PATIENTS
    assert len(found["reasons"]) == 6
    assert len(found["times"]) == 5


def test_every_row_is_the_python_clients(found, served):
    for name, model in served.models.items():
        agree(model, found["rows"]["found"][name])
    assert found["protocols"] == ["h2 TLS 1.3"]


def test_nothing_is_asked_of_another_host_and_no_policy_is_broken(found):
    assert found["otherHosts"] == []
    assert found["consoleErrors"] == []
    assert found["policy"] == {"fetchElsewhere": "TypeError", "html": "TypeError"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(found, scheme):
    assert found["axe"][scheme]["violations"] == []
    assert found["axe"][scheme]["passes"] > 10


def test_it_fits_a_narrow_screen_and_needs_no_mouse(found):
    assert found["width"] <= 380
    assert "probability" in found["keyboard"]


def test_two_tabs_make_one_key_which_is_found_again(found):
    assert found["tabsAgree"]
    assert found["sameKeyAfterReload"]


def test_keys_lie_sealed_under_a_key_that_cannot_be_exported(found):
    stored = found["stored"]
    assert stored["exported"] == "InvalidAccessError"
    assert stored["extractable"] is False
    assert stored["keys"] == [["created", "digest", "iv", "secret"]]
    assert stored["sizes"] == {"evaluation keys": 1, "keys": 1, "pins": 0, "wrapping": 1}


def test_forgetting_leaves_nothing(found):
    assert set(found["afterForgetting"]["sizes"].values()) == {0}
    assert found["newKeyAfterForgetting"]


def test_steps_on_the_device_are_quick(found):
    """Loosely, since CI is slow: docs/benchmarks has the figures of a machine at rest."""
    medians = found["rows"]["medians"]
    assert medians["encrypt"] < 100
    assert medians["decrypt"] < 50
    assert np.isfinite(list(medians.values())).all()
