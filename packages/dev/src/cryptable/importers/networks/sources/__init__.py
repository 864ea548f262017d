"""What networks come as: one kind of object, one module, found by a walk over this package."""
