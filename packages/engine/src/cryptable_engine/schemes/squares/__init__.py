"""The scheme `squares`: linear maps and squares, evaluated exactly by BFV through SEAL (protos/SPEC-SQUARES.md)."""
