from importlib import resources


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("i2pmae").joinpath("py.typed").is_file()
