"""Cheaper models that are not quite the model: pruned, merged and refitted within a budget."""
