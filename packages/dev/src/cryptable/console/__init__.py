"""What the command line prints and draws."""
