"""The checker behind the shape annotations; as in Python's own numeric tower, an int is a float."""

from beartype import BeartypeConf, beartype

check_types = beartype(conf=BeartypeConf(is_pep484_tower=True))
