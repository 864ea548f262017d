"""Searches over compiled models: training options, bits of networks, and scikit-learn's own searches."""
