"""What every room stands on: clock, errors, configuration, catalogues, the one writer thread."""
