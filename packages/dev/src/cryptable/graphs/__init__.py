"""Model graphs: what importers write and planners read, in floats."""
