"""What comes with a release: bills of materials that are valid and complete, and a workflow that holds no secret.

That each wheel has its bill inside is tested where wheels are built, in test_wheels.py.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "packages/server/deploy/sbom.cdx.json"
BILLS = [*sorted(ROOT.glob("packages/*/sbom.cdx.json")), IMAGE]
WORKFLOW = ROOT / ".github/workflows/release.yml"


def names(bill):
    return {each["name"] for each in bill["components"]}


@pytest.mark.parametrize("path", BILLS, ids=lambda path: str(path.parent.relative_to(ROOT / "packages")))
def test_bills_are_valid(path):
    text = path.read_text(encoding="utf-8")
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    bill = json.loads(text)
    assert validator.validate_str(json.dumps({**bill, "components": [{"name": "no type"}]})) is not None
    listed = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in bill["dependencies"]} == listed
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= listed


def test_each_package_has_one_of_all_that_it_requires():
    assert len(BILLS) == 7
    for path in BILLS[:-1]:
        bill = json.loads(path.read_text(encoding="utf-8"))
        project = tomllib.loads((path.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert bill["metadata"]["component"]["name"] == project["name"]
        optional = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
        required = {
            re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in project["dependencies"] + optional
        }
        assert names(bill) == required - {project["name"]}
        assert all("version" in each for each in bill["components"] if each["scope"] == "required")


def test_the_image_has_its_bill_inside():
    dockerfile = (ROOT / "packages/server/deploy/Dockerfile").read_text()
    final = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^COPY packages/server/deploy/sbom\.cdx\.json /usr/share/sbom/", final, re.MULTILINE)
    bill = json.loads(IMAGE.read_text(encoding="utf-8"))
    base = next(each for each in bill["components"] if each["type"] == "container")
    assert all(part in final for part in (base["version"], base["purl"].partition("@")[2].partition("?")[0]))


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def complaints(workflow, text):
    """What a release must not do, one line each."""
    jobs = workflow["jobs"]
    if workflow["permissions"] != {}:
        yield "permissions that each job has"
    if "secrets." in text or re.search(r"password|api-token", text, re.IGNORECASE):
        yield "a stored secret: the index trusts the workflow's identity"
    if workflow[True] != {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}:  # YAML takes "on" for a truth value
        yield "something else than a tag starts it"
    for name, job in jobs.items():
        uses = [step["uses"] for step in job["steps"] if "uses" in step]
        for action in uses:
            if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action):
                yield f"{name}: {action} is no commit"
            if not re.search(rf"uses: {re.escape(action)} # v\d", text):
                yield f"{name}: nobody can tell which version {action} is"
        runs = [step["run"] for step in job["steps"] if "run" in step]
        if "id-token" in job["permissions"] and runs:
            yield f"{name}: can speak as the project, and runs what the repository says"
        if any(each == "write" for each in job["permissions"].values()) and name not in ("provenance", "publish"):
            yield f"{name}: may write"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@") and step["with"]["persist-credentials"]:
                yield f"{name}: leaves credentials in the checkout"
        for run in runs:
            if re.search(r"\$\{\{", run):
                yield f"{name}: text from outside becomes part of a command"
            for path in re.findall(r"(?:^|\s)((?:tools|packages|\.ci)/[\w./-]+)", run):
                if not (ROOT / path).exists():
                    yield f"{name}: {path} is not there"
    publish = jobs["publish"]
    if publish["permissions"] != {"id-token": "write"} or publish["environment"] != "release":
        yield "publishing is not by identity alone, in an environment that can ask for approval"
    if set(publish["needs"]) != {"test", "build", "provenance"}:
        yield "publishing does not wait for tests, or for provenance"
    if not publish["steps"][-1]["with"]["attestations"]:
        yield "no attestations (PEP 740)"
    if "--require-hashes" not in text or "tools/generate_sboms.py --check" not in text:
        yield "tools without hashes, or bills that are not looked at"


def test_the_release_workflow(workflow):
    assert list(complaints(workflow, WORKFLOW.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("permissions: {}", "permissions: write-all"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        ("# v1.13.0", ""),
        ("attestations: true", "attestations: false"),
        ("environment: release", "environment: other"),
        ("needs: [test, build, provenance]", "needs: [build]"),
        ("packages-dir: dist/", "packages-dir: dist/\n          password: ${{ secrets.TOKEN }}"),
        ("persist-credentials: false", "persist-credentials: true"),
        ("run: .ci/run", "run: .ci/gone"),
        ("run: .ci/run", "run: echo ${{ github.ref_name }}"),
        ('tags: ["v[0-9]+.[0-9]+.[0-9]+"]', "branches: [main]"),
        ("--require-hashes", ""),
    ],
)
def test_what_would_be_wrong_is_found(old, new):
    text = WORKFLOW.read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new)
    assert list(complaints(yaml.safe_load(changed), changed))
