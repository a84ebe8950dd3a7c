"""What every other part may use: errors for people, configuration records, safe files, progress and random seeds."""
