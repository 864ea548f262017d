"""The packages stay such that their folders show the design: short tops, and contracts that name folders."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_AT_THE_TOP = {
    "dev/src/cryptable": 16,
    "client/src/cryptable_client": 10,
    "engine/src/cryptable_engine": 10,
    "protocol/src/cryptable_protocol": 14,
    "server/src/cryptable_server": 14,
}
NOT_COUNTED = {"__init__.py", "__main__.py", "py.typed", "_generated", "__pycache__"}
MOST_MODULES = 12
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
CONTRACT_NAMES = [contract["name"] for contract in CONTRACTS]


@pytest.mark.parametrize("package", MOST_AT_THE_TOP)
def test_the_top_of_a_package_is_read_at_a_glance(package):
    entries = {path.name for path in (ROOT / "packages" / package).iterdir()} - NOT_COUNTED
    assert "errors.py" in entries
    assert len(entries) <= MOST_AT_THE_TOP[package], sorted(entries)


def modules_in(contract):
    """Modules of ours that a contract lists by name; folders are rooms, and not counted."""
    listed = [name for key in ("source_modules", "forbidden_modules") for name in contract.get(key, ())]
    for container in contract.get("containers", ()):
        layers = (re.findall(r"\w+", layer) for layer in contract["layers"])
        listed += [f"{container}.{name}" for layer in layers for name in layer]
    paths = {name: name.replace(".", "/") for name in listed}
    return [name for name, path in paths.items() if any(ROOT.glob(f"packages/*/src/{path}.py"))]


@pytest.mark.parametrize("contract", CONTRACTS, ids=CONTRACT_NAMES)
def test_contracts_name_folders(contract):
    assert len(modules_in(contract)) <= MOST_MODULES, modules_in(contract)


def test_modules_in_contracts_are_seen():
    assert "cryptable_protocol.limits" in {name for contract in CONTRACTS for name in modules_in(contract)}


def test_one_contract_says_who_imports_the_engine():
    (contract,) = [each for each in CONTRACTS if "cryptable_engine" in each.get("protected_modules", ())]
    of_the_server = [name for name in contract["allowed_importers"] if name.startswith("cryptable_server")]
    assert of_the_server == ["cryptable_server.processes"]


def test_files_are_written_whole_in_one_place():
    """Six writers had six ideas of what a power cut leaves. Uploads of keys are streams, kept in parts on purpose."""
    call = re.compile(r"\bos\.(?:fsync|link|replace|rename)\(|\bmkstemp\(")
    found = {
        path.relative_to(path.parents[len(path.parts) - path.parts.index("src") - 2]).as_posix()
        for path in ROOT.glob("packages/*/src/**/*.py")
        if call.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in found if not name.startswith("cryptable_server/keys/")} == {
        "cryptable_protocol/files/whole.py"
    }


def sources_with(pattern):
    """Source files of the packages in which a pattern is found, by their path below `src`."""
    return {
        path.relative_to(ROOT / "packages" / path.relative_to(ROOT / "packages").parts[0] / "src").as_posix(): found
        for path in ROOT.glob("packages/*/src/**/*.py")
        if (found := len(re.findall(pattern, path.read_text(encoding="utf-8"))))
    }


def test_what_a_scheme_knows_stays_in_it():
    """Which keys a circuit runs with is for the scheme and its prices; all others ask a price list or a program."""
    knows = ("cryptable_engine/schemes/bootstrapped/", "cryptable/cost/")
    assert not [name for name in sources_with(r"one_level|one-level") if not name.startswith(knows)]


def test_the_default_p_error_is_written_once():
    assert sources_with(r"2(?:\.0)? ?\*\* ?-40|0x1p-40|9\.09\d*e-13") == {"cryptable_protocol/model/client_spec.py": 1}
