"""A real server of the S3 protocol, moto's, in this process: over sockets, with a clock that tests can move."""

import itertools
import logging
from contextlib import contextmanager
from datetime import datetime, timezone
from urllib.request import Request, urlopen

import moto.s3.models
from moto.server import ThreadedMotoServer

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDFORTESTS",
    "AWS_SECRET_ACCESS_KEY": "secret-for-tests",
    "AWS_REGION": "us-east-1",
}
_numbers = itertools.count()


@contextmanager
def object_server():
    """The URL of a server, while the block lasts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_place(url):
    """A bucket of its own, as operators name it."""
    name = f"bucket-{next(_numbers)}"
    with urlopen(Request(f"{url}/{name}", method="PUT"), timeout=10):
        return f"s3://{name}/of/tests"


def set_clock(monkeypatch, seconds):
    """Have objects be dated by `seconds()`."""

    def now():
        return datetime.fromtimestamp(seconds(), timezone.utc).replace(tzinfo=None)

    monkeypatch.setattr(moto.s3.models, "utcnow", now)
