"""From users' rows to the integers that are encrypted, and from decrypted integers to predictions."""
