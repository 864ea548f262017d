"""Files of this process: how many may be open, and how those are read that others put there."""
