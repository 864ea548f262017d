"""Whoever has a gRPC library, and nothing of ours, can list models, check health and read a client spec."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "programs" / "standard_client.py"
PACKAGES = ["cryptable", "cryptable_client", "cryptable_engine", "cryptable_protocol", "cryptable_server"]


def test_a_standard_client_needs_reflection_alone(server, artifacts):
    command = [sys.executable, PROGRAM, server.address, "tables"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["refused"], found["ours"]) == (PACKAGES, [])
    assert found["models"] == [["linear", "1"], ["tables", "1"]]
    assert found["health"] == "SERVING"
    assert found["services"] == [
        "cryptable.v1.Admin",
        "cryptable.v1.Inference",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    spec = artifacts["tables"].client_spec
    assert found["spec"]["model_name"] == "tables"
    assert [feature["name"] for feature in found["spec"]["features"]] == [each.name for each in spec.features]
    assert found["spec"]["keyset"]
