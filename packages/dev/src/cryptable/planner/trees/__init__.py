"""From trees to sums of lookups: polynomials in the client's bits, covered by tables."""
