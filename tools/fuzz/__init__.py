"""Parts of tools/fuzz_client.py."""
