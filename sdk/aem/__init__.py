"""Client of the AEM service."""
