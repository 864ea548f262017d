"""Networks of one hidden layer: from floats to tables that the binary digits of inputs turn."""
