"""The scheme `levelled`: its keyset, the layout of rows, and their bytes (protos/SPEC-LEVELLED.md)."""
