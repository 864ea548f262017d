"""From a circuit to crypto parameters, a program and an artifact: `compile`, and what it is made of."""
