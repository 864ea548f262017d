"""TLS: certificates read again when they change, when they expire, and the credentials of the server."""
