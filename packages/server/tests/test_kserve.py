"""The KServe runtime: its pod by Kubernetes' schemas, its options by the server, its own fields by name.

KServe's own schemas come with no package that is light enough: of its fields, names and kinds are looked at here.
"""

import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

FILE = Path(__file__).parents[1] / "deploy" / "kserve.yaml"
RUNTIME, SERVICE = yaml.safe_load_all(FILE.read_text())
OWN = {"supportedModelFormats": list, "protocolVersions": list, "multiModel": bool}
MODEL = {"modelFormat": dict, "runtime": str, "protocolVersion": str, "storageUri": str}


def pod(spec):
    """What KServe makes of a runtime, as far as it says it."""
    own = {name: value for name, value in spec.items() if name not in OWN}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": own}


def test_what_it_runs_is_a_pod():
    kubernetes_validate.validate(pod(RUNTIME["spec"]), "1.33", strict=True)
    wrong = pod(RUNTIME["spec"])
    wrong["spec"] = {**wrong["spec"], "volume": []}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.33", strict=True)
    (container,) = RUNTIME["spec"]["containers"]
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in RUNTIME["spec"]["volumes"]}
    assert container["name"] == "kserve-container"  # by which KServe knows it


def test_what_is_kserves_own():
    assert (RUNTIME["apiVersion"], RUNTIME["kind"]) == ("serving.kserve.io/v1alpha1", "ServingRuntime")
    assert (SERVICE["apiVersion"], SERVICE["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert {name: type(RUNTIME["spec"][name]) for name in OWN} == OWN
    model = SERVICE["spec"]["predictor"]["model"]
    assert {name: type(value) for name, value in model.items()} == MODEL
    assert model["runtime"] == RUNTIME["metadata"]["name"]
    formats = RUNTIME["spec"]["supportedModelFormats"]
    assert [set(each) for each in formats] == [{"name", "version", "autoSelect"}]
    assert model["modelFormat"]["name"] in [each["name"] for each in formats]
    assert RUNTIME["spec"]["protocolVersions"] == ["grpc-v2"] == [model["protocolVersion"]]


def test_the_server_knows_its_options(tmp_path):
    (container,) = RUNTIME["spec"]["containers"]
    (tmp_path / "models").mkdir()
    places = {"/mnt/models": tmp_path / "models", "/var/lib/cryptable": tmp_path, "/etc": tmp_path}
    arguments = []
    for argument in container["args"]:
        for place, here in places.items():
            argument = argument.replace(f"={place}", f"={here}")
        arguments.append(argument)
    command = [sys.executable, "-m", "cryptable_server", *arguments, "--print-config"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "open-inference = true" in done.stdout
    port = f":{container['ports'][0]['containerPort']}"
    assert port in next(line for line in done.stdout.splitlines() if line.startswith("address"))
