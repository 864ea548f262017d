"""What is said of a model: to clients, in one file, and by whose signature."""
