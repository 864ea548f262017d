"""Random pipelines of usual steps compile, and score as scikit-learn does; tools/bench/random_pipelines.py tries 60."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_pipelines import MODELS, STEPS, attempt, pipeline_of, summary


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_random_pipeline_compiles_and_is_right(seed):
    tried = attempt(seed)
    if tried.refusal is not None:  # one in ten may be
        assert "step '" in tried.refusal
        assert "column" in tried.refusal
        return
    assert tried.error <= 1


def test_a_pipeline_that_is_wrong_would_be_found():
    tried = attempt(1)
    _, compiled, wrong = summary([tried])
    assert (compiled, wrong) == (1, [])
    spoilt = attempt(1, spoil=True)
    assert summary([spoilt])[2] == [spoilt]


def test_sixty_of_them_have_every_step_and_every_model():
    uses = [use for seed in range(60) for use in pipeline_of(np.random.default_rng(seed))[2]]
    assert all(uses.count(each) >= 3 for each in (*STEPS, *MODELS))
