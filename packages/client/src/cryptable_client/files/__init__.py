"""Files that people move by hand: tables, and encrypted rows and answers."""
