"""What a developer holds after compiling: the model, to predict with, to check, to save and to sign."""
