"""The ledger's tables and queries; no other room imports them."""
