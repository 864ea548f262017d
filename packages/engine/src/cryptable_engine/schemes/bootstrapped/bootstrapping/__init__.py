"""Bootstrapping: a client's keys made ready once, and lookups under them by the kernel, by NumPy, or by Concrete."""
