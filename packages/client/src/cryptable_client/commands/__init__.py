"""The subcommands of `cryptable-client`: `configure` of each module adds its parser."""
