"""Commands whose options are the fields of a configuration: a recipe or a stored configuration, with overrides."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from i2pmae.cli.help import HELP_ALL, short_help
from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError, near_names, pick

__all__ = ["ConfiguredCommand", "Given"]

C = TypeVar("C", bound=Config)


class Given(NamedTuple, Generic[C]):
    """What a call asks for."""

    config: C
    """The configuration."""
    resume: bool
    """Whether to go on with the run in the output folder."""


@dataclass(frozen=True)
class ConfiguredCommand(Generic[C]):
    """A command whose options are the fields of a configuration, under the names of :meth:`Config.resolve`.

    The sections of the configuration are not spelt: ``--epochs`` is ``training.epochs``, ``--guidance.kind`` is
    ``method.guidance.kind``.
    """

    name: str
    """Of the command."""
    about: str
    """What it does, with examples."""
    kind: Callable[[], type[C]]
    """Gives the class of the configuration; called when it is needed, since importing it may take time."""
    recipes: Callable[[], Mapping[str, Callable[[], C]]]
    """Gives the table of recipes."""
    default: str
    """Name of the recipe that is used where none is named."""
    main: tuple[str, ...]
    """Options that the short help explains."""
    positional: tuple[str, ...] = ("data",)
    """Options that words before the first option stand for, in this order, where they name no recipe."""

    def read(self, arguments: Sequence[str]) -> Given[C] | None:
        """What the arguments ask for; ``None`` after a help text.

        :class:`UsageError` for an unknown recipe, an unusable file or values that cannot be; ``SystemExit`` with status
        2 for unknown options.
        """
        early, rest = self._early(arguments)
        words, options = _split(rest)
        recipe, words = self._recipe(early.recipe, words, options)
        if early.help:
            base = pick("recipe", recipe or self.default, self.recipes())()
            print(short_help(self.name, self.about, base, self.main, self._usage()))
            return None
        spelled = [*options, *self._named(words, options)]
        base = self._base(recipe, early, spelled)
        if early.help_all:
            spelled = ["--help"]
        return Given(_parse(base, self.name, self.about, spelled), early.resume)

    def _early(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options that are no fields, and those that decide what the others override."""
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        early.add_argument("-h", "--help", action="store_true")
        early.add_argument(HELP_ALL, action="store_true")
        early.add_argument("--recipe")
        early.add_argument("--config", type=Path)
        early.add_argument("--resume", action="store_true")
        try:
            return early.parse_known_args(list(arguments))
        except argparse.ArgumentError as error:
            raise UsageError(f"{error.argument_name}: {error.message}.") from None

    def _recipe(self, given: str | None, words: list[str], options: list[str]) -> tuple[str | None, list[str]]:
        """The recipe among the words, and the other words. A path of that name is meant by ``./NAME``."""
        known = self.recipes()
        found = [word for word in words if word in known and not (len(words) > 1 and Path(word).exists())]
        if options and options[-1] in known and not found and not given and not self._takes_value(options[-2]):
            found, options[-1:] = [options[-1]], []  # named after the options
        named = [*([given] if given else []), *found]
        if len(named) > 1:
            raise UsageError(f"Name one recipe, not {' and '.join(named)}.")
        return (named[0] if named else None), [word for word in words if word not in found]

    def _takes_value(self, option: str) -> bool:
        """Whether what follows is the value of ``option`` (a flag has none, and neither has a value)."""
        if not option.startswith("--") or "=" in option or option.startswith("--no-"):
            return False
        base = self.recipes()[self.default]()
        value: object = base
        try:
            for part in base.resolve(option.removeprefix("--").replace("-", "_")):
                value = getattr(value, part)
        except UsageError:  # a field of another recipe
            return True
        return not isinstance(value, bool)

    def _named(self, words: list[str], options: list[str]) -> list[str]:
        """Words before the first option, under the names of the options that they stand for."""
        free = [name for name in self.positional if f"--{name}" not in options]
        if free[:2] == ["checkpoint", "data"] and len(words) == 1 and _is_data(words[0]):
            free = free[1:]
        known = self.recipes()
        hint = near_names(words[0], known) if words else ""
        if words and free and not _may_be(free[0], words[0]) and (len(words) <= len(free) or "Did you mean" in hint):
            raise UsageError(
                f"There is neither a recipe nor a folder or file {words[0]!r}. {hint} "
                f"`i2pmae recipes --command {self.name}` lists the recipes."
            )
        if len(words) > len(free):
            word = words[len(free)]
            expected = "[RECIPE] " + " ".join(f"[{name.upper()}]" for name in self.positional)
            raise UsageError(
                f"`i2pmae {self.name}` has no place for {word!r}: expected {expected}, then options. "
                f"{near_names(word, known)}"
            )
        return [part for name, word in zip(free, words, strict=False) for part in (f"--{name}", word)]

    def prepared(self, base: C, spelled: Mapping[str, str]) -> C:
        """A recipe before ``spelled`` options (without dashes, and their values) override it; as it is by default."""
        del spelled
        return base

    def _base(self, recipe: str | None, early: argparse.Namespace, options: list[str]) -> C:
        """What the options override: a stored configuration, that of the run to be resumed, or a recipe."""
        if early.config is not None:
            if recipe is not None:
                raise UsageError(f"Start from the recipe {recipe!r} or from --config {early.config}, not from both.")
            return self.kind().load(early.config)
        base = pick("recipe", recipe or self.default, self.recipes())()
        spelled = _values(options)
        usual = base if early.help_all else self.prepared(base, spelled)
        folder = Path(spelled.get("output") or usual.output.folder)  # type: ignore[attr-defined]
        if recipe is None and early.resume and (folder / "config.yaml").is_file():
            return self._stored(folder).changed(output=folder)
        return usual

    def _stored(self, folder: Path) -> C:
        """The configuration of the run that is to be resumed."""
        try:
            return self.kind().load(folder / "config.yaml")
        except UsageError as error:
            raise UsageError(
                f"`i2pmae {self.name}` cannot resume the run in {folder}: it is one of another command, or its "
                f"configuration was edited.\n{error}"
            ) from None

    def _usage(self) -> str:
        words = " ".join(f"[{name.upper()}]" for name in self.positional)
        return f"i2pmae {self.name} [RECIPE] {words} [OPTIONS]"


def _may_be(name: str, word: str) -> bool:
    """Whether a word may stand for the option ``name``: data that is there or has a name, a path of a checkpoint."""
    if Path(word).exists():
        return True
    if name != "data":
        from i2pmae.weights.named import is_name

        return "/" in word or "\\" in word or is_name(word)
    from i2pmae.data.sources.named import is_shapes

    return "=" in word or is_shapes(word)


def _is_data(word: str) -> bool:
    """Whether a word is data, and plainly no checkpoint."""
    from i2pmae.weights.named import RECORD_FILE, WEIGHTS_FILE, is_name

    path = Path(word)
    if is_name(word) or not _may_be("data", word):
        return False
    return path.name not in (WEIGHTS_FILE, RECORD_FILE) and not any(
        (path / file).is_file() for file in (WEIGHTS_FILE, RECORD_FILE, "config.yaml")
    )


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The words before the first option, and the rest."""
    first = next((i for i, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    return arguments[:first], arguments[first:]


def _values(options: list[str]) -> dict[str, str]:
    """The options without their dashes, each with the word that follows it, as written with or without ``=``."""
    found = {}
    for option, following in zip(options, [*options[1:], ""], strict=False):
        if option.startswith("--"):
            name, equals, value = option.removeprefix("--").partition("=")
            found[name] = value if equals else following
    return found


def _parse(base: C, command: str, about: str, arguments: list[str]) -> C:
    """``base`` with what the options say; what the checks of the configuration refuse is a :class:`UsageError`."""
    from i2pmae.cli.options import parse

    return parse(type(base), command, arguments, base, about)
