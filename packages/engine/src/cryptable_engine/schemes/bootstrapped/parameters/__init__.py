"""Which crypto parameters a circuit needs: widths, noise, security, and the catalogue of keysets."""
