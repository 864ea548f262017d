"""`python -m cryptable_server` is `cryptable-server`."""

import sys

from cryptable_server.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())
