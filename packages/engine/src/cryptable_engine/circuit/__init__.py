"""The Circuit and what holds of it under every scheme: bounds, the verifier, and the interpreter that defines it."""
