"""The scheme `squares`: a ternary ring key, integers in slots, and keys for the rotations of a model's layout."""
