"""The box of a shop: it opens what the bips press, keeps it, and carries it to the post."""
