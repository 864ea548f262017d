"""The parts of `make bench`: each measures one thing, and gives its figures as plain dictionaries."""
