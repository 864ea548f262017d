"""Many rows at once, one in each slot: circuits of sums and products, a ciphertext an element (docs/decisions/0050)."""
