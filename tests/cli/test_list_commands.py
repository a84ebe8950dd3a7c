import yaml

from i2pmae.methods import recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.teachers.catalogue import TEACHERS
from tests.cli.conftest import Call

RECIPES = recipes()


def test_recipes_are_listed_with_what_they_do(call: Call) -> None:
    status, out, err = call("recipes")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line.split()) > 5 for line in lines)


def test_a_recipe_is_printed_as_a_configuration(call: Call) -> None:
    status, out, _ = call("recipes", "tiny")
    assert status == 0
    assert PretrainConfig.from_yaml(out) == RECIPES["tiny"]()
    assert yaml.safe_load(out)["recipe"] == "tiny"


def test_an_unknown_recipe_names_the_nearest(call: Call) -> None:
    assert call("recipes", "tny") == (2, "", "error: Unknown recipe 'tny'. Did you mean 'tiny'?\n")


def test_teachers_are_listed_with_their_licences(call: Call) -> None:
    status, out, err = call("teachers")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(TEACHERS)
    assert "clip-vit-b16" in out and "openai/clip-vit-base-patch16" in out and "MIT" in out
