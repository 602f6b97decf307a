"""The composition root and the HTTP surface."""
