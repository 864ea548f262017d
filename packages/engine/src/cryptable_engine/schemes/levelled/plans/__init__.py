"""What an evaluation does: a circuit's forms, and where on the torus each bit of them is read."""
