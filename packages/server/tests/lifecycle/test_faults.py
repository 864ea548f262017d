"""What goes wrong around a server: killed processes, a full disk, callers that vanish or dawdle, and how it recovers.

More of the kind, close to what they strike: integration_tests/test_recovery (killed processes), keys/test_directory
(kills at any time, damaged files), keys/test_limits (clocks that jump), models/test_directory (damaged artifacts).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from server_process import recovered

Status = grpc.StatusCode


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["tables"].client_spec


VANISHING = """
import sys
from pathlib import Path
import grpc
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub
requests = [pb.InferRequest.FromString(path.read_bytes()) for path in sorted(Path(sys.argv[2]).iterdir())]
for answer in InferenceStub(grpc.insecure_channel(sys.argv[1])).Infer(iter(requests)):
    print(answer.row, flush=True)
"""


def test_a_client_that_is_killed_takes_its_rows_along(start, artifacts, wire, tmp_path):
    linear = artifacts["linear"].client_spec
    for number, message in enumerate(wire.infer_messages(linear, rows=20)):
        (tmp_path / f"{number:02}").write_bytes(message.SerializeToString())
    with start() as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        client = subprocess.Popen([sys.executable, "-c", VANISHING, server.address, str(tmp_path)])
        server.wait_for_rows(2)
        client.kill()
        client.wait()
        server.wait_for_rows(1)  # the one that the worker has
        assert server.wait_for("Infer")["status"] == "CANCELLED"
        os.kill(worker, signal.SIGCONT)
        began = time.monotonic()
        assert len(server.infer(linear)) == 1
        assert recovered(began)
        assert server.workers() == [worker]


def test_an_upload_of_a_byte_now_and_then_is_ended(start, spec, wire):
    """A stream that is never silent for long, but would take days, holds a place of a call; it goes on later."""
    with start("--idle-timeout", "2") as server:
        header = next(wire.upload_messages(spec, wire.random_keys(spec)))
        ended = threading.Event()

        def trickle():
            yield header
            for offset in range(spec.parameters.keyset.evaluation_keys_bytes):
                if ended.wait(0.05):
                    return
                yield pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=offset, data=b"\0"))

        began = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.UploadEvaluationKeys(trickle())
        ended.set()
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
        assert "bytes in" in caught.value.details()
        assert time.monotonic() - began < 60
        assert server.upload(spec)


@pytest.fixture
def small_disk(tmp_path, spec):
    """A file system of its own with room for one set of keys and a half; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    size = spec.parameters.keyset.evaluation_keys_bytes * 3 // 2
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a file system; test_server fills a disk by a limit of the process instead")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_full_loses_nothing(start, spec, wire, small_disk):
    """ENOSPC in the midst of an upload: told, nothing half-written is left or used, and what was acknowledged stays."""
    with start(folder=small_disk / "server") as server:
        first = server.upload(spec)
        with pytest.raises(grpc.RpcError) as caught:
            server.upload(spec, seed=1)
        assert caught.value.code() == Status.RESOURCE_EXHAUSTED
        assert "no room" in caught.value.details()
        request = pb.GetEvaluationKeysRequest(sha256=first)
        assert server.stub.GetEvaluationKeys(request).size == spec.parameters.keyset.evaluation_keys_bytes
        assert not list((server.keys / "incoming").iterdir())
        server.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=first))
        began = time.monotonic()
        assert server.upload(spec, seed=1)
        assert recovered(began)
    kept = [path for path in (small_disk / "server" / "keys").glob("*/*.*") if path.parent.name != "incoming"]
    assert [path.stat().st_size for path in kept] == [spec.parameters.keyset.evaluation_keys_bytes]
