"""Which kinds of shapes there are."""

from i2pmae.data.shapes.assemble import Kind
from i2pmae.data.shapes.assemblies import FAMILIES
from i2pmae.data.shapes.buildings import BUILDINGS
from i2pmae.data.shapes.config import ShapesConfig
from i2pmae.data.shapes.creatures import CREATURES
from i2pmae.data.shapes.devices import DEVICES
from i2pmae.data.shapes.furniture import FURNITURE
from i2pmae.data.shapes.household import HOUSEHOLD
from i2pmae.data.shapes.leisure import LEISURE
from i2pmae.data.shapes.nature import NATURE
from i2pmae.data.shapes.outdoors import OUTDOORS
from i2pmae.data.shapes.sketch import Category
from i2pmae.data.shapes.tools import TOOLS
from i2pmae.data.shapes.vehicles import VEHICLES
from i2pmae.data.shapes.vessels import VESSELS

__all__ = ["CATALOGUE", "CATEGORIES", "PARTS", "WIDE", "kinds", "part_names"]


def part_names(catalogue: dict[str, Kind]) -> tuple[str, ...]:
    """Part names, ``category/part``, in the order of the part labels."""
    return tuple(f"{kind.name}/{part}" for kind in catalogue.values() for part in kind.parts)


def named(*groups: tuple[Category, ...]) -> dict[str, Kind]:
    """Categories by name."""
    return {kind.name: kind for group in groups for kind in group}


CATALOGUE: dict[str, Kind] = named(FURNITURE, VESSELS, VEHICLES, TOOLS, NATURE, BUILDINGS)
"""Every classic category by name."""
CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)
"""Their names in the order of the labels."""
PARTS: tuple[str, ...] = part_names(CATALOGUE)
"""Their part names in the order of the part labels."""
WIDE: dict[str, Kind] = CATALOGUE | named(HOUSEHOLD, DEVICES, LEISURE, OUTDOORS, CREATURES)
"""Every category by name: the classic ones first, so that these have the same labels."""


def kinds(config: ShapesConfig) -> tuple[dict[str, Kind], dict[str, Kind]]:
    """The categories and the families of assemblies that there are by ``config``, in the order of the labels."""
    categories = WIDE if config.catalogue == "wide" else CATALOGUE
    families: dict[str, Kind] = {family.name: family for family in FAMILIES}
    return (categories if config.assemblies < 1 else {}), (families if config.assemblies > 0 else {})
