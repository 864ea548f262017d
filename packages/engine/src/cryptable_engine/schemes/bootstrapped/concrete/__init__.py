"""What knows concrete-python: its dialect of MLIR, its native code, its messages and records."""
