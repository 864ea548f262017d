"""Models that are linear in integers: one product for all residues, and answers flooded with noise."""
