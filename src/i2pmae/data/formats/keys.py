"""Names of arrays, columns and members that say what they hold: all readers of sets share them."""

__all__ = [
    "CLASS_KEYS",
    "COLUMN_KEYS",
    "ID_KEYS",
    "LABEL_KEYS",
    "LABEL_WORDS",
    "PART_KEYS",
    "PART_NAME_KEYS",
    "POINT_KEYS",
    "SPLIT_KEYS",
]

POINT_KEYS = ("points", "data", "x", "clouds")
LABEL_KEYS = ("labels", "label", "y", "category")
LABEL_WORDS = (*LABEL_KEYS, "class", "cls")
"""Names of the label of one cloud, where it is said cloud by cloud."""
SPLIT_KEYS = ("split", "splits")
CLASS_KEYS = ("classes", "class_names", "category_names")
PART_KEYS = ("part_labels", "pid", "seg")
PART_NAME_KEYS = ("part_names", "parts")
ID_KEYS = ("id", "ids", "__key__")
COLUMN_KEYS = {
    "colour": ("colour", "colours", "color", "colors", "rgb"),
    "normal": ("normal", "normals"),
}
"""Names of what holds the three values of the colour, or of the normal, of each point."""
