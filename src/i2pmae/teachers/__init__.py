"""Frozen 2D models behind one protocol: any Hugging Face vision model of a known family, and the embedded one."""
