"""What is kept between runs: in which folders, and written whole or not at all."""
