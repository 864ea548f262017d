"""How much noise an answer has: its parts, one row's, and a bound for all."""
