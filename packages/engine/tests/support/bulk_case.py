"""A plan of rows in bulk with a client whose secret tests may look at; and what columns compute, in the clear."""

import math

import numpy as np
from cryptable_client.schemes.squares import bulk
from cryptable_engine.schemes.squares.bulk.evaluator import BulkEvaluator
from cryptable_protocol.schemes.ring_tensor import RingTensor
from square_networks import SquaresClient, middling_secret


def computed(columns, rows, modulus):
    """What columns say of rows of their inputs."""
    found = [rows[:, element] for element in range(columns.inputs)]

    def total(each):
        return (each.constant + sum(weight * found[column] for column, weight in each.weights)) % modulus

    for step in columns.steps:
        found.append(math.prod(map(total, step)) % modulus)
    return np.stack([np.broadcast_to(total(each), len(rows)) for each in columns.outputs], axis=1)


class BulkCase:
    """Keys for a plan, and its evaluator."""

    def __init__(self, plan):
        self.plan = plan
        self.client = SquaresClient(plan, middling_secret(plan.parameters.keyset.ring_size))
        self.evaluator = BulkEvaluator(plan)
        self.keys = self.evaluator.make_ready(memoryview(self.client.evaluation_keys))

    def evaluate(self, rows, watch=None):
        """Answers to rows, shape (rows, outputs)."""
        sent = bulk.encrypt_rows(self.plan.parameters, self.client.secret, rows).to_bytes()
        answer = RingTensor.from_bytes(self.evaluator.evaluate_row(sent, self.keys, watch))
        return bulk.decrypt_rows(self.plan.parameters, self.client.secret, answer)[: len(rows)]
