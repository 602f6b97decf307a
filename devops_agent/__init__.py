"""Orders and how they are worked: synthesis, validation, publication, settlement."""
