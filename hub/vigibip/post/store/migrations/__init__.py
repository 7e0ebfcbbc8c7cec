"""The store's migrations: numbered, each in the transaction that also records it."""
