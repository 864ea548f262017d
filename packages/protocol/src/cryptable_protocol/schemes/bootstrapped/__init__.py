"""The scheme `bootstrapped`: parameters of LWE keys and ciphertexts, and their bytes."""
