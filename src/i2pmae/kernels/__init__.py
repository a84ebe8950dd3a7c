"""Loops over arrays, compiled for the CPU at first use; NumPy in, NumPy out. What they mean stands in ``ops``."""
