"""Named configurations, and the runs that they describe."""

from i2pmae.recipes.configurations import RECIPES, SIZES

__all__ = ["RECIPES", "SIZES"]
