"""Search among embeddings: an index of clouds, of the shapes as a whole and of their parts."""
