"""The scheme `squares`: linear maps and squares, evaluated exactly by BFV (protos/SPEC-SQUARES.md)."""
