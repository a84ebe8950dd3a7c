"""A classifier of clouds, which several tasks train: its configuration, its module and its losses."""
