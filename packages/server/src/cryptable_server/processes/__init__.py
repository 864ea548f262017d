"""The child processes, the only ones that load the engine, and what they share with the front."""
