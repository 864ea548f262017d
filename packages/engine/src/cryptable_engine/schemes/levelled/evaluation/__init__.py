"""From a row's bytes to an answer's: polynomials as doubles, and what is done with them."""
