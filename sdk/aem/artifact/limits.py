"""How large a bundle may be. The service refuses the same: a folder fails before it is sent."""

MAX_FILES = 2_000
"""Far above any artifact seen; keeps unpacking and diffs fast."""

MAX_FILE_BYTES = 16 * 1024**2

MAX_BUNDLE_BYTES = 64 * 1024**2
"""All files together, unpacked: a bundle is held in memory."""

MAX_ARCHIVE_BYTES = 32 * 1024**2
"""Compressed: what one request may carry."""
