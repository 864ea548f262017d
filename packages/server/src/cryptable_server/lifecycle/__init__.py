"""A server's life, from its start to the end of its last call."""
