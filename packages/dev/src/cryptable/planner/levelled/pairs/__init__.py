"""Pairs of features as tables that binary digits of bins turn: few bits up, where thermometers would be thousands."""
