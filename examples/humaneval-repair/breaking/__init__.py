"""Breaks other people's right programs with one realistic fault each, and says what is right."""
