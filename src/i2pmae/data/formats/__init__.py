"""One file a format: from a file to a raw cloud, or to a set of clouds. ``table`` is the list of extensions."""
