"""Labels instead of scores: a table after the score, which bits and trees turn to the side of a threshold it is on."""
