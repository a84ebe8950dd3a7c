"""Commands whose options are the fields of a configuration: a recipe or a stored configuration, with overrides."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from i2pmae.cli.options import parse, tidy_help
from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError, pick

__all__ = ["ConfiguredCommand", "RecipeName", "Start"]

C = TypeVar("C", bound=Config)
RecipeName = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[RECIPE]")]


class Start(Config):
    """Where the configuration comes from."""

    recipe: RecipeName = ""
    """Configuration to start from; every option below overrides one of its fields. `i2pmae recipes` lists them."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Start from a stored configuration instead: the config.yaml of a run repeats that run."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in the output folder. Without recipe or --config, its own configuration is used."""


@dataclass(frozen=True)
class ConfiguredCommand(Generic[C]):
    """A command that turns its arguments into a configuration with the fields ``recipe`` and ``output``."""

    name: str
    """Of the command."""
    kind: type[C]
    """The configuration."""
    options: Callable[[C], type[Config]]
    """Gives the fields of :class:`Start` and those of the configuration that can be set, given what they override."""
    recipes: Callable[[], Mapping[str, Callable[[], C]]]
    """Gives the table of recipes; called when it is needed, since importing it may take time."""
    default: str
    """Name of the recipe that is used where none is named."""

    def read(self, arguments: Sequence[str]) -> tuple[C, bool]:
        """The configuration that the arguments ask for, and whether to resume.

        :class:`UsageError` for an unknown recipe or an unusable file; ``SystemExit`` with status 2 for unknown options.
        """
        recipe = arguments[0] if arguments and not arguments[0].startswith("-") else None
        base = self._base(recipe, arguments)
        options = self._parse(base, arguments)
        if recipe is None and options.recipe != _recipe(base):  # named after the options
            base = self._base(options.recipe, arguments)
            options = self._parse(base, arguments)
        values = {name: getattr(options, name, getattr(base, name)) for name in self.kind.model_fields}
        return self.kind(**(values | {"recipe": _recipe(base)})), options.resume

    def _base(self, recipe: str | None, arguments: Sequence[str]) -> C:
        """What the options override: a stored configuration, that of the run to be resumed, or a recipe."""
        recipes = self.recipes()
        default = recipes[self.default]()
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        early.add_argument("--config", type=Path)
        early.add_argument("--output", type=Path, default=getattr(default, "output"))  # noqa: B009 (no field of Config)
        early.add_argument("--resume", action="store_true")
        try:
            given, _ = early.parse_known_args(list(arguments))
        except argparse.ArgumentError:  # the full parser will say it better
            return default
        if given.config is not None:
            if recipe is not None:
                raise UsageError(f"Start from the recipe {recipe!r} or from --config {given.config}, not from both.")
            return self.kind.load(given.config)
        stored = given.output / "config.yaml"
        if recipe is None and given.resume and stored.is_file():
            return self._stored(stored).model_copy(update={"output": given.output})
        return pick("recipe", recipe or self.default, recipes)()

    def _stored(self, path: Path) -> C:
        """The configuration of the run that is to be resumed."""
        try:
            return self.kind.load(path)
        except UsageError as error:
            raise UsageError(
                f"`i2pmae {self.name}` cannot resume the run in {path.parent}: it is one of another command, or its "
                f"configuration was edited.\n{error}"
            ) from None

    def _parse(self, base: C, arguments: Sequence[str]) -> Any:
        options = self.options(base)
        tidy_help(options)
        fields = {name: getattr(base, name) for name in self.kind.model_fields if name in options.model_fields}
        return parse(options, self.name, arguments, options.model_construct(**fields))


def _recipe(config: Config) -> str:
    return str(getattr(config, "recipe", ""))
