"""Who evaluates, and in which order: the queue, and workers on this machine or on a Ray cluster."""
