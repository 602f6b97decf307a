"""What every room stands on: errors, ids, clock, money, database, principals, signing, events."""
