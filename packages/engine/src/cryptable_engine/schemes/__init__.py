"""The schemes: each folder is one way to evaluate a circuit under encryption."""
