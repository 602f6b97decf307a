"""Commands that talk to the service through the SDK."""
