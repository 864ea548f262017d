"""From rounded trees to products of bits: circuits of the scheme levelled, and what its clients need."""
