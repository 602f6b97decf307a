"""Tables and queries of the registry; private to the room."""
