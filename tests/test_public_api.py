"""The names that users import."""

import importlib
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pyarrow
import pytest

import i2pmae
from i2pmae.cli import COMMANDS
from i2pmae.commands.reading import Reading

NO_FUNCTION = {"data": ("check", "prepare"), "models": ("list_models",), "teachers": (), "cache": ()}
"""Commands whose sub-commands are functions, or that only print what is known."""
FUNCTIONS = [name for command in COMMANDS for name in NO_FUNCTION.get(command, (command,))]


def test_every_public_name_is_there() -> None:
    assert sorted(i2pmae.__all__) == sorted(i2pmae._HOMES)
    for name in i2pmae.__all__:
        assert getattr(i2pmae, name).__name__ == name
    assert set(i2pmae.__all__) <= set(dir(i2pmae))
    assert not hasattr(i2pmae, "no_such_name")


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "sklearn", "lightning_fabric", "numba")
    code = f"import sys, i2pmae; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pretraining_waits_for_nothing_that_its_first_step_does_not_need() -> None:
    late = ("transformers", "sklearn", "scipy", "matplotlib", "pyarrow", "h5py", "trimesh", "tensorboard", "numba")
    code = (
        "import sys; sys.modules['torchmetrics'] = None; "  # where it is installed, Fabric imports it, and it much else
        f"import i2pmae.commands.pretrain; print([m for m in {late} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_command_is_a_function_that_explains_itself(name: str) -> None:
    function = getattr(i2pmae, name)
    assert inspect.isfunction(function) and name in i2pmae.__all__
    text = inspect.getdoc(function) or ""
    assert len(text.splitlines()[0]) > 20
    hints = typing.get_type_hints(function, localns={"pa": pyarrow})
    parameters = inspect.signature(function).parameters
    assert hints.keys() == {*parameters, "return"}, "everything is annotated"
    for parameter in parameters.values():
        assert name in ("recipe", "recipes") or f"    {parameter.name}: " in text, f"{parameter.name} is explained"
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            # Options of reading have a record of their own; changes are the fields of a configuration.
            assert parameter.name in ("reading", "changes")
            if parameter.name == "reading":
                assert hints["reading"] == typing.Unpack[Reading]
            else:
                assert "config" in parameters and "fields of the configuration" in text


def test_options_of_reading_are_those_of_the_configuration() -> None:
    fields = {name: field.annotation for name, field in i2pmae.DataConfig.model_fields.items()}
    for name in typing.get_type_hints(Reading):
        assert name == "seed" or name in fields, name
    module = Path(inspect.getsourcefile(importlib.import_module("i2pmae.commands.reading")) or "").read_text()
    assert all(f"    {name}: " in module for name in Reading.__annotations__)
