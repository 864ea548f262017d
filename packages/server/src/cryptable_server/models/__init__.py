"""Models: the directory that is served, each version verified and prepared, with settings of its own."""
