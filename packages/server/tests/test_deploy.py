"""The systemd unit and the Dockerfile, linted; and the Docker image's health check, run as the image runs it."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptable_server.calls.tls import credentials

DEPLOY = Path(__file__).parents[1] / "deploy"
ROOT = DEPLOY.parents[2]
UNIT = (DEPLOY / "cryptable-server.service").read_text()
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMMAND = Path(sys.executable).with_name("cryptable-server")


def instructions(text):
    """(name, argument) of each instruction, continuations joined, comments gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in joined.splitlines())
        if name
    ]


def complaints(text):
    """What must not be in an image of the server, by one line each."""
    found = instructions(text)
    names = [name for name, _ in found]
    last = len(names) - 1 - names[::-1].index("FROM")
    final = found[last:]
    for name, argument in found:
        if name == "FROM" and not re.fullmatch(
            r"[\w./-]+:\d+\.\d+\.\d+-[\w.-]+@sha256:[0-9a-f]{64}( AS \w+)?", argument
        ):
            yield f"FROM {argument}: not one exact version with its digest"
        if name == "ADD":
            yield "ADD fetches and unpacks; COPY does not"
        for installing in re.findall(r"pip install [^&]*", argument if name == "RUN" else ""):
            if "--constraints tools/hashes.txt" not in installing and "--require-hashes" not in installing:
                yield f"RUN {installing}: versions are open, or what is fetched is not compared"
        tidy = "--no-install-recommends" in argument and "rm -rf /var/lib/apt/lists" in argument
        if name == "RUN" and "apt-get install" in argument and not tidy:
            yield f"RUN {argument}: recommended packages, or lists, stay"
        if name in ("ENTRYPOINT", "CMD") and not argument.startswith("["):
            yield f"{name} {argument}: a shell would stand between, and not pass signals on"
        if name == "ENV" and re.search(r"token|password|secret", argument, re.IGNORECASE):
            yield f"ENV {argument}: secrets in an image are everybody's"
    for argument in (argument for name, argument in found if name == "RUN"):
        if re.search(r"\[[\w,]*(concrete|bootstrapping)", argument):
            yield f"RUN {argument}: no server needs concrete-python, whose licence is not for all"
    users = [argument for name, argument in final if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]):
        yield "USER: root, or a name that Kubernetes cannot tell from root's"
    for needed in ("ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL", "VOLUME"):
        if needed not in (name for name, _ in final):
            yield f"no {needed}"
    if any(name == "RUN" for name, _ in final[[name for name, _ in final].index("USER") :] if users):
        yield "RUN after USER"


def test_the_dockerfile_is_as_it_should_be():
    assert list(complaints(DOCKERFILE)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("python:3.11.14-slim-bookworm@", "python:latest@"), "not one exact version"),
        (("@sha256:", ":"), "not one exact version"),
        (("USER 10001:10001", "USER root"), "USER"),
        (("USER 10001:10001", "USER 10001:10001\nRUN true"), "RUN after USER"),
        (('ENTRYPOINT ["cryptable-server"]', "ENTRYPOINT cryptable-server"), "shell"),
        ((" ./packages/engine ", " './packages/engine[concrete]' "), "concrete-python"),
        (("HEALTHCHECK", "LABEL"), "no HEALTHCHECK"),
        ((" --require-hashes", ""), "open"),
        (("--constraints tools/hashes.txt", ""), "open"),
        (("COPY tools", "ADD tools"), "ADD"),
        (("PYTHONDONTWRITEBYTECODE=1", "CRYPTABLE_TOKEN=x"), "secrets"),
        (("--no-install-recommends", ""), "recommended"),
    ],
)
def test_the_checks_find_what_they_look_for(change, complaint):
    assert change[0] in DOCKERFILE
    text = DOCKERFILE.replace(*change)
    assert any(complaint in line for line in complaints(text))


def test_what_the_image_copies_is_there_and_not_ignored():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for name, argument in instructions(DOCKERFILE):
        if name == "COPY" and not argument.startswith("--from"):
            source = argument.split()[0]
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored
    assert ignored[0] == "*"


def test_settings_in_the_image_are_settings(tmp_path):
    """Also: the entry point's command line exists, and the health check's."""
    environment = environment_of_the_image(tmp_path)
    line = [COMMAND, *entry_point()[1:], "--print-config", "--insecure", "--address", "127.0.0.1:1"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "# CRYPTABLE_SERVER_KEYS\n" in done.stdout


def entry_point():
    found = dict(instructions(DOCKERFILE))
    return [*eval(found["ENTRYPOINT"]), *eval(found["CMD"])]


def environment_of_the_image(tmp_path):
    """The image's variables, with its folders in `tmp_path`."""
    declared = dict(pair.split("=", 1) for pair in shlex.split(dict(instructions(DOCKERFILE))["ENV"]))
    (tmp_path / "models").mkdir(exist_ok=True)
    moved = {
        name: f"{tmp_path}{value}" if value.startswith("/") else value
        for name, value in declared.items()
        if name.startswith("CRYPTABLE_SERVER_")
    }
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **moved}


@pytest.mark.encrypted
def test_the_health_check_of_the_image(tmp_path, encrypted):
    """As the image runs it: on every address, with TLS, a certificate of another name, settings in the environment."""
    environment = environment_of_the_image(tmp_path)
    encrypted.artifacts["linear"].save(tmp_path / "models" / "linear.cryptable")
    files = credentials.development_files(tmp_path / "tls")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment |= {
        "CRYPTABLE_SERVER_ADDRESS": f"0.0.0.0:{port}",
        "CRYPTABLE_SERVER_TLS_CERTIFICATE": str(files.certificate),
        "CRYPTABLE_SERVER_TLS_KEY": str(files.private_key),
        "CRYPTABLE_SERVER_PROGRAMS": str(encrypted.programs),
    }
    check = [COMMAND, *eval(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1])[1:]]

    def health():
        return subprocess.run([*check, "--timeout", "20"], capture_output=True, text=True, env=environment, timeout=120)

    notified = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notified))
        systemd.settimeout(120)
        log = (tmp_path / "log").open("w+")
        line = [COMMAND, *entry_point()[1:]]
        server = subprocess.Popen(
            line, env={**environment, "NOTIFY_SOCKET": str(notified)}, stdout=subprocess.PIPE, stderr=log, text=True
        )
        with log, server:
            try:
                assert systemd.recv(100) == b"READY=1"
                done = health()
                assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr
                server.terminate()
                assert systemd.recv(100) == b"STOPPING=1"
                assert server.wait(60) == 0
            finally:
                server.kill()
    assert health().returncode == 5


def settings_of(unit):
    pairs = [line.split("=", 1) for line in unit.splitlines() if re.match(r"^[A-Z]\w+=", line)]
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


def test_the_unit_keeps_what_it_promises():
    found = settings_of(UNIT)
    assert found["User"] == ["cryptable-server"]
    assert found["Type"] == ["notify"]
    # Else workers would be killed before the rows that they evaluate are answered.
    assert found["KillMode"] == ["mixed"]
    assert found["RestartPreventExitStatus"] == ["2 3"]
    assert int(found["TimeoutStopSec"][0]) > 30  # the default of --drain
    for protected in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID"):
        assert found[protected] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_unit(tmp_path):
    (path,) = re.findall(r"^ExecStart=(\S+)", UNIT, re.MULTILINE)
    unit = tmp_path / "cryptable-server.service"
    unit.write_text(UNIT.replace(path, shutil.which("true")))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_units_command_is_one_that_there_is():
    (line,) = settings_of(UNIT)["ExecStart"]
    program, *arguments = line.split()
    assert Path(program).name == COMMAND.name
    (name,) = [word for word in arguments if word.startswith("--")]
    assert f"{name} FILE" in subprocess.run([COMMAND, arguments[0], "--help"], capture_output=True, text=True).stdout
