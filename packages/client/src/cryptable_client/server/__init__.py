"""What speaks to a server: connecting, trust, inference, uploads."""
