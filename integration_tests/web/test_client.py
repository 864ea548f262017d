"""packages/web: its own tests, among them all vectors, run in Node."""

import re

import pytest
from node import npm

pytestmark = pytest.mark.xdist_group("web")


def test_the_clients_own_tests_pass():
    passed = int(re.search(r"^# pass (\d+)$", npm("test"), re.MULTILINE)[1])
    assert passed > 25
