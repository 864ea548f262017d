"""The scheme `levelled`: a ternary ring key, rows of bits in a few ring elements, and one keyset for all models."""
