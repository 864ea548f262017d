import pytest
from cryptable_server.errors import ThrottledError
from cryptable_server.executors.crash_throttle import CrashThrottle
from waiting import Clock


def test_who_ended_too_many_workers_waits_until_the_first_is_old():
    clock = Clock()
    limit = CrashThrottle(crashes=2, seconds=60, clock=clock)
    limit.crashed("token:bad")
    clock.pass_by(30)
    limit.check("token:bad")
    limit.crashed("token:bad")
    limit.check("token:good")
    with pytest.raises(ThrottledError) as caught:
        limit.check("token:bad")
    assert caught.value.retry_after == pytest.approx(30)
    clock.pass_by(31)
    limit.check("token:bad")
    limit.crashed("token:bad")
    with pytest.raises(ThrottledError):
        limit.check("token:bad")


def test_callers_that_cannot_be_told_apart_are_not_counted():
    limit = CrashThrottle(crashes=1, seconds=60)
    limit.crashed("anonymous")
    limit.check("anonymous")
