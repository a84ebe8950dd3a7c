"""From a path to a plan: which files there are, and what is known about each before it is read."""
