"""What one prediction costs and what each party learns, in figures, sentences and pictures."""
