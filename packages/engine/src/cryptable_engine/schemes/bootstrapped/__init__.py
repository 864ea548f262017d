"""The scheme `bootstrapped`: TFHE, where each lookup is a programmable bootstrapping and sums are free."""
