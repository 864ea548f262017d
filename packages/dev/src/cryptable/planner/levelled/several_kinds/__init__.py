"""Sums of models of several kinds: trees as products of bits, and all else as sums of bits beside them."""
