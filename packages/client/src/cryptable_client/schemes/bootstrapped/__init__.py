"""The scheme `bootstrapped`: LWE ciphertexts, and the bootstrap and keyswitch keys that lookups need."""
