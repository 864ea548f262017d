"""What every call passes before a service sees it: who calls, over TLS, how often, written down and counted."""
