"""A model over HTTP: embeddings, classes, parts; concurrent requests are computed together."""
