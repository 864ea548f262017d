"""What an operator can set: each setting declared once, read from options, environment and a file."""
