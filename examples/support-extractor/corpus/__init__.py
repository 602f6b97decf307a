"""The support extractor's gold and traces: seeded, composed from public data on this machine."""
