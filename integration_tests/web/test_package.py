"""What npm would publish: the built client and nothing else, with one dependency, of the licence that the docs name."""

import json
import subprocess

import pytest
from node import ROOT, WEB, built

pytestmark = pytest.mark.xdist_group("web")


def test_the_package_holds_the_client_alone():
    built()
    command = ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"]
    done = subprocess.run(command, cwd=WEB, check=True, capture_output=True, text=True, timeout=300)
    (packed,) = json.loads(done.stdout)
    files = {entry["path"] for entry in packed["files"]}
    assert {path for path in files if not path.startswith("dist/")} == {"LICENSE", "README.md", "package.json"}
    sources = {path.relative_to(WEB / "src").with_suffix("") for path in (WEB / "src").rglob("*.ts")}
    assert {path for path in files if path.startswith("dist/")} >= {f"dist/{source}.js" for source in sources}
    assert {path for path in files if path.startswith("dist/")} >= {f"dist/{source}.d.ts" for source in sources}
    assert (WEB / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_its_one_dependency_has_the_licence_that_the_docs_name():
    built()
    (name,) = json.loads((WEB / "package.json").read_text())["dependencies"]
    licence = json.loads((WEB / "node_modules" / name / "package.json").read_text())["license"].strip("()")
    assert f"`{name}` ({licence})" in (ROOT / "docs/reference/licences.md").read_text()
