"""Shapes explored in a browser: their map, what is alike, what is like a part, and what an encoder makes of them."""
