"""What is kept between runs or moved by hand: where, written whole or not at all, in which form."""
