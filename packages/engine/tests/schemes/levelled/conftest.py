"""One client for all tests of this folder: making keys takes seconds here."""

import pytest
from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import ring_of
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_kernel import KernelUnavailable, open_kernel
from levelled_client import LevelledClient


@pytest.fixture(scope="session")
def client():
    return LevelledClient(2026)


@pytest.fixture(scope="session", params=["numpy", "auto"])
def kernel(request):
    """What evaluates: NumPy, and the kernel by its default path, where there is one: its tests compare all paths."""
    if request.param == "numpy":
        return None
    try:
        return open_kernel(request.param)
    except KernelUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def keys(client, kernel):
    return ServerKeys(memoryview(client.evaluation_keys), kernel and ring_of(kernel))
