"""From a plan to clouds: what a file holds becomes a cloud of the wanted size, in any number of processes, once."""
