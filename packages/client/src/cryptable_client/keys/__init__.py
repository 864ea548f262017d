"""Secret keys and what belongs to them: files, lifetime, evaluation keys on disk."""
