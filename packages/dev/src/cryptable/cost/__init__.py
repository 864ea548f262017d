"""What an operation costs: prices that the planner plans by, and rates of a machine."""
