"""The scheme `squares`: its keysets, the layout of rows, transforms, and their bytes (protos/SPEC-SQUARES.md)."""
