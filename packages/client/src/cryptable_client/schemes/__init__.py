"""The schemes: each folder is one kind of keys and ciphertexts. They take key material, never a handle."""
