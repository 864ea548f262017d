"""From a float model graph to a Circuit: which lookups to buy, and with which integers to fill them."""
