"""Ciphertexts of one chain of primes, by Microsoft SEAL or by our kernel."""
