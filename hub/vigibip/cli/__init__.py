"""The commands: thin, with data on stdout, talk on stderr, and exit codes that mean something."""
