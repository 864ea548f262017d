"""Uploads through a network that breaks: they go on where they ended, and the keys that come of them work."""

import hashlib
import selectors
import socket
import threading
from contextlib import closing, suppress

import numpy as np
import pytest
from cryptable_client import SecretKeys, connect
from cryptable_protocol import encode_rows

BLOCK = 1 << 16


class BreakingNetwork:
    """A relay of bytes to a server; the connections that upload break after so many bytes, as long as there are any."""

    def __init__(self, target, limits):
        host, _, port = target.rpartition(":")
        self.target = host, int(port)
        self.limits = list(limits)
        self.forwarded = []
        """Bytes to the server, a connection each."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):  # that of closing
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        number = len(self.forwarded)
        self.forwarded.append(0)
        limit = self.limits.pop(0) if self.limits else None
        with client, socket.create_connection(self.target) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(BLOCK)
                    if not data:
                        return
                    key.data.sendall(data)
                    if key.fileobj is client:
                        self.forwarded[number] += len(data)
                        if limit is not None and self.forwarded[number] >= limit:
                            return

    def close(self):
        self._listener.close()


@pytest.mark.encrypted
def test_an_upload_goes_on_over_a_network_that_breaks(good, serve, tmp_path, events, expected):
    spec = good.client_spec
    size = spec.keyset.evaluation_keys_bytes
    models, rows = tmp_path / "models", np.random.default_rng(3).uniform(0, 4, (2, 2))
    models.mkdir()
    good.save(models / "good.cryptable")
    kept = tmp_path / "evaluation-keys"
    limits = [3 * size // 4, size // 16]
    with (
        serve(models, tmp_path) as (address, log),
        closing(BreakingNetwork(address, limits)) as network,
        SecretKeys.generate(spec) as secret_keys,
        connect(
            network.address,
            model=spec.model_name,
            insecure=True,
            secret_keys=secret_keys,
            evaluation_keys=kept,
            timeout=60,
        ) as remote,
    ):
        np.testing.assert_array_equal(remote.predict(rows), expected(encode_rows(spec.features, rows))[:, 0])
    assert len(network.forwarded) >= len(limits) + 1
    # What is lost with a connection is what the server had not written yet, at most gRPC's window.
    assert size < sum(network.forwarded) < 1.7 * size
    assert network.forwarded[-1] < 0.8 * size
    statuses = [call["status"] for call in events(log, "UploadEvaluationKeys")]
    assert len(statuses) == len(limits) + 1
    assert statuses.index("OK") == len(limits)
    (stored,) = (path for path in (tmp_path / "keys").glob("*/*.*") if path.is_file())
    assert stored.name.startswith(hashlib.sha256(kept.read_bytes()).hexdigest())
    assert stored.read_bytes() == kept.read_bytes()
