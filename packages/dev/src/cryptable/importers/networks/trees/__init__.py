"""Trees that hummingbird has written as tensors become trees again."""
