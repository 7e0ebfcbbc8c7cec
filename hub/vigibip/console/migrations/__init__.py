"""One file a migration, in versions/; never changed once released."""
