"""Messages as bytes: one canonical form, refused before it costs memory, and what names in it may be."""
