"""Encoders of point clouds: tokens, masks, layers, two architectures, and what every model here can do with a cloud."""
