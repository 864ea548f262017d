"""The schemes: each folder has what all parties agree on for one kind of keys and ciphertexts."""
