"""Networks of squares for the scheme squares: their layers in floats, as integers, and as a circuit."""
