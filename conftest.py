"""What all tests share: how many threads libraries start, and which tests share a process where several run them."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Before NumPy is loaded, here and in every process that a test starts. Tests run on as many processes as there are
# cores, and threads that wait for each other spin: a logistic regression took 37 s of CPU for half a second's work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A machine that does other things besides is no fault of the code: what is tried is judged by what it gives.
settings.register_profile("whatever the machine does", deadline=None)
settings.load_profile("whatever the machine does")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where tests are not grouped, what fixtures make is made in every process: then tests say so.

    pytest-xdist writes an item's group behind its name.
    """
    if getattr(item.config.option, "loadgroup", False) and "@" not in item.nodeid:
        pytest.fail("this pytest-xdist groups no tests under this pytest: run `make setup` (see pyproject.toml)", False)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, by `--dist loadgroup`: what its fixtures made is made once.

    A file whose tests are many and share little says so: `@pytest.mark.xdist_group(NAME)` makes groups within it.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
