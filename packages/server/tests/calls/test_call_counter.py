import pytest
from cryptable_server.calls.call_counter import CallCounter
from cryptable_server.errors import TooManyCallsError
from cryptable_server.principals import ANONYMOUS, Principal, Role

ALICE, BOB = Principal("token:alice"), Principal("token:bob")


def test_one_caller_takes_no_more_than_its_share():
    counter = CallCounter(most=None, most_each=1)
    with counter.counting(ALICE):
        with pytest.raises(TooManyCallsError, match="you have 1 calls"), counter.counting(ALICE):
            pass
        with counter.counting(BOB):
            assert counter.total == 2
    with counter.counting(ALICE):
        assert counter.total == 1


@pytest.mark.parametrize(("most", "principal"), [(None, ALICE), (1, ANONYMOUS)])
def test_without_a_limit_or_a_name_none_is_refused(most, principal):
    counter = CallCounter(most=None, most_each=most)
    with counter.counting(principal), counter.counting(principal):
        assert counter.total == 2
    assert counter.total == 0


@pytest.mark.parametrize("principal", [ALICE, ANONYMOUS])
def test_all_together_are_limited_but_for_administrators(principal):
    counter = CallCounter(most=1, most_each=None)
    with counter.counting(BOB):
        with pytest.raises(TooManyCallsError, match="as many as it answers"), counter.counting(principal):
            pass
        with counter.counting(Principal("token:ops", frozenset({Role.ADMIN}))):
            assert counter.total == 2
