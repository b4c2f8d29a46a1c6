"""Options, errors, signals and devices of the commands."""
