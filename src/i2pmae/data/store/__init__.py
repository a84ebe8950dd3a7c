"""Clouds on disk in one form: writing, going on, opening, verifying, here or on another machine."""
