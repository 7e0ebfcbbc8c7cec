"""The web console: a process of its own, beside the post's daemon, on the same store."""
