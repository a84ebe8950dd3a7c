"""Commands: one function each, which the package exports and the command line calls."""
