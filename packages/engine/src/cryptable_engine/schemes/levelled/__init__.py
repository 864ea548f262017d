"""The scheme `levelled`: products of bits, evaluated in NumPy without bootstrapping (protos/SPEC-LEVELLED.md)."""
