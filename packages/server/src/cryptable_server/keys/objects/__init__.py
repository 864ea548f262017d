"""Evaluation keys in an object store: what it lists, local copies of what workers read, and the store of both."""
