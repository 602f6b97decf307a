"""HTTP routes, a module for each room."""
