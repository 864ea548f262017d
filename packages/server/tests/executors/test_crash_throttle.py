import pytest
from cryptable_server.errors import ThrottledError
from cryptable_server.executors import crash_throttle
from cryptable_server.executors.crash_throttle import CrashThrottle


def test_who_ended_too_many_workers_waits_until_the_first_is_old(monkeypatch):
    now = 100.0
    monkeypatch.setattr(crash_throttle.time, "monotonic", lambda: now)
    limit = CrashThrottle(crashes=2, seconds=60)
    limit.crashed("token:bad")
    now = 130.0
    limit.check("token:bad")
    limit.crashed("token:bad")
    limit.check("token:good")
    with pytest.raises(ThrottledError) as caught:
        limit.check("token:bad")
    assert caught.value.retry_after == pytest.approx(30)
    now = 161.0
    limit.check("token:bad")
    limit.crashed("token:bad")
    with pytest.raises(ThrottledError):
        limit.check("token:bad")


def test_callers_that_cannot_be_told_apart_are_not_counted():
    limit = CrashThrottle(crashes=1, seconds=60)
    limit.crashed("anonymous")
    limit.check("anonymous")
