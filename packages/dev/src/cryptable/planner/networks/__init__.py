"""Neural networks: from layers of functions to integers, and from those to lookups."""
