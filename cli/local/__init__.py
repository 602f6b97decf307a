"""Commands that run the service here; they need the [server] extra."""
