"""Checkpoints that the methods' authors released: read, renamed, checked, and written as weights folders."""
