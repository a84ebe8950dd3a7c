"""Run folders: one run each, locked, with its configuration and the one record of what it found."""
