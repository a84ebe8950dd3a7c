"""The doors: clouds of whatever is named, folders to prepare, and a look at a set."""
