"""The commands of cryptable-server."""
