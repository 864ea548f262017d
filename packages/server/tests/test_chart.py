"""The Helm chart: rendered, judged by Kubernetes' schemas, and its settings by the server that is to read them.

Its templates only put values in place, `{{ .Values.a.b }}`, which is all that the renderer here knows.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[1] / "deploy" / "chart"
RELEASE = "answers"
DIGEST = "sha256:" + "ab" * 32
VERSION = "1.33"
PLACE = re.compile(r"\{\{ \.((?:Values|Release|Chart)(?:\.\w+)+) \}\}")
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())


def rendered(template, **changes):
    """The documents of one template, as Helm renders it."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    values["image"]["digest"] = DIGEST
    for name, value in changes.items():
        part, key = name.split("_")
        assert key in values[part]
        values[part][key] = value
    known = {"Values": values, "Release": {"Name": RELEASE}, "Chart": {"AppVersion": METADATA["appVersion"]}}

    def put(match):
        found = known
        for key in match[1].split("."):
            found = found[key]
        assert not isinstance(found, dict), match[0]
        return str(found)

    text = PLACE.sub(put, template)
    if "{{" in text:
        raise ValueError(f"more than a value: {text[text.index('{{') :][:60]}")
    return list(yaml.safe_load_all(text))


TEMPLATES = sorted((CHART / "templates").iterdir())


@pytest.fixture(scope="module")
def documents():
    return {(each["kind"], each["metadata"]["name"]): each for path in TEMPLATES for each in rendered(path.read_text())}


def test_the_renderer_refuses_what_it_does_not_know():
    for text in ("{{ if .Values.tls }}", "{{- .Release.Name }}", "{{ .Release.Name | quote }}", "{{ include x }}"):
        with pytest.raises(ValueError, match="more than a value"):
            rendered(text)
    with pytest.raises(KeyError):
        rendered("{{ .Values.image.none }}")


def test_the_schemas_accept_everything(documents):
    for document in documents.values():
        kubernetes_validate.validate(document, VERSION, strict=True)
    broken = {**documents["PodDisruptionBudget", RELEASE], "spec": {"maxUnavailable": [1]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_everything_is_about_the_same_pods(documents):
    stateful = documents["StatefulSet", RELEASE]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    selectors = [
        stateful["spec"]["selector"]["matchLabels"],
        documents["PodDisruptionBudget", RELEASE]["spec"]["selector"]["matchLabels"],
        documents["NetworkPolicy", RELEASE]["spec"]["podSelector"]["matchLabels"],
        documents["Service", RELEASE]["spec"]["selector"],
        documents["Service", stateful["spec"]["serviceName"]]["spec"]["selector"],
    ]
    assert all(selector.items() <= labels.items() and selector for selector in selectors)
    scaler = documents["HorizontalPodAutoscaler", RELEASE]["spec"]
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == ("StatefulSet", RELEASE)
    assert "replicas" not in stateful["spec"]  # the autoscaler's to say


def test_pods_have_no_rights(documents):
    pod = documents["StatefulSet", RELEASE]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"cryptable-server@{DIGEST}"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert all(mounts[path]["readOnly"] for path in ("/models", "/tls", "/tokens"))
    named = {volume["name"] for volume in pod["volumes"]} | {"state"}
    assert {mount["name"] for mount in mounts.values()} == named


def test_metrics_are_for_the_scraper_alone(documents):
    grpc, metrics = documents["NetworkPolicy", RELEASE]["spec"]["ingress"]
    assert "from" not in grpc
    assert grpc["ports"] == [{"port": "grpc"}]
    assert metrics["ports"] == [{"port": "metrics"}]
    assert metrics["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_the_server_reads_these_settings(documents, tmp_path):
    """As the container has them, with its folders elsewhere; the probes' command is one of its own."""
    (container,) = documents["StatefulSet", RELEASE]["spec"]["template"]["spec"]["containers"]
    settings = {each["name"]: each["value"] for each in container["env"]}
    for name, value in settings.items():
        if value.startswith("/"):
            settings[name] = str(tmp_path / value[1:])
    Path(settings["CRYPTABLE_SERVER_MODELS"]).mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CRYPTABLE_SERVER_")}
    command = [sys.executable, "-m", "cryptable_server"]
    done = subprocess.run(
        [*command, "serve", "--print-config"], env={**environment, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for line in ('address = "0.0.0.0:50051"', 'metrics = "0.0.0.0:9464"', "workers = 2", "key-quota = 15"):
        assert line in done.stdout
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 50051, "metrics": 9464}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"] == ["cryptable-server", "health", "--own"]


def test_it_scales_by_a_metric_that_there_is(documents):
    (metric,) = documents["HorizontalPodAutoscaler", RELEASE]["spec"]["metrics"]
    gauges = (Path(__file__).parents[1] / "src/cryptable_server/lifecycle/gauges.py").read_text()
    name = metric["pods"]["metric"]["name"].removeprefix("cryptable_")
    assert f'metrics.watch("{name}"' in gauges


def test_the_charts_version_is_the_packages():
    source = (Path(__file__).parents[1] / "src/cryptable_server/__init__.py").read_text()
    assert f'__version__ = "{METADATA["version"]}"' in source
    assert METADATA["appVersion"] == METADATA["version"]
