"""Which tests share a process where several run them: those of a file, unless a mark says otherwise."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, by `--dist loadgroup`: what its fixtures made is made once.

    A file whose tests are many and share little says so: `@pytest.mark.xdist_group(NAME)` makes groups within it.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
