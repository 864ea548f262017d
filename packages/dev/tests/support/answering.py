"""What a planned model answers in the clear."""

from cryptable.compiling.plan import plan
from cryptable_engine import interpret, verify
from cryptable_protocol import encode_rows


def answers_of(estimator, rows, settings, others=None):
    """The plan, and its integers of rows that it is planned on, or of others."""
    planned = plan(estimator, rows, settings)
    verify(planned.circuit)
    return planned, interpret(planned.circuit, encode_rows(planned.features, rows if others is None else others))
