"""tools/generate_licences.py, which `make check` runs, lets in what may come in and nothing else."""

from importlib import metadata
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools/generate_licences.py"


@pytest.fixture(scope="module")
def licences():
    spec = spec_from_file_location("generate_licences", SCRIPT)
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # where what it imports lies
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "licence", "accepted"),
    [
        ("anything", "MIT", True),
        ("anything", "Apache-2.0 OR GPL-3.0-only", True),
        ("anything", "MIT AND GPL-3.0-only", False),
        ("anything", "LGPL-2.1-or-later", False),
        ("anything", "", False),
        ("tqdm", "MPL-2.0 AND MIT", True),
        ("another", "MPL-2.0", False),
    ],
)
def test_accepts(licences, name, licence, accepted):
    assert licences.is_accepted(name, licence) is accepted


def test_closures_are_those_of_the_packages(licences):
    client = licences.required(["cryptable-client"])
    assert {"numpy", "grpcio", "cryptography"} <= set(client)
    assert not {"concrete-python", "scikit-learn", "torch"} & set(client)
    assert "concrete-python" not in licences.required(["cryptable-server"])
    assert "concrete-python" in licences.required(["cryptable-server[concrete]"])


def test_licence_that_no_program_can_read_is_unknown(licences, tmp_path):
    folder = tmp_path / "odd-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\nLicense: ask my lawyer\n")
    assert licences.licence_of(metadata.PathDistribution(folder)) == ""
