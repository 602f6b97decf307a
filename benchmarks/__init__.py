"""Measurements, each beside what it is compared with, taken in the same run."""
