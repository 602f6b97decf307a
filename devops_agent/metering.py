"""What an order's work costs, in both currencies, at the market's prices."""
