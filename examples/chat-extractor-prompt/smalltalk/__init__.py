"""What the example's gold dataset and traces are made of: own lines, own values, a seed."""
