"""Encoders of 3D point clouds that are taught by 2D image models (I2P-MAE, arXiv 2212.06785)."""

from importlib.metadata import version

__version__ = version("i2pmae")
