"""Time in tests: a clock that stands still until a test moves it, and waiting for what other processes do."""

import time

LONG_SECONDS = 240.0
"""Longer than anything that is waited for takes on a busy machine: it ends a test that hangs, and judges nothing."""


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def pass_by(self, seconds):
        self.seconds += seconds


def until(condition, *, about=lambda: None):
    """Return when `condition` is true; `about` tells more where it never is."""
    deadline = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, about()
        time.sleep(0.002)
