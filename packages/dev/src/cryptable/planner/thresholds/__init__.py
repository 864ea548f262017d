"""Which numbers a client compares with: a model's own thresholds, or those of a grid."""
