import pytest

from i2pmae.common.errors import UsageError, near_names, pick


def test_near_names_come_first() -> None:
    assert near_names("epoch", ["epochs", "output"]) == "Did you mean 'epochs'?"
    assert near_names("xyz", ["b", "a"]) == "Known: a, b."


def test_a_long_list_is_cut() -> None:
    sentence = near_names("zzz", [f"name{i:03d}" for i in range(100)])
    assert sentence.endswith("name023 and 76 more.")


def test_pick_raises_with_the_nearest() -> None:
    assert pick("recipe", "tiny", {"tiny": 1}) == 1
    with pytest.raises(UsageError, match=r"Unknown recipe 'tinny'. Did you mean 'tiny'\?"):
        pick("recipe", "tinny", {"tiny": 1})


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "[/red]", "x" * 10**6, 7, None, ["tiny"], {}, float("nan")])
def test_odd_names_are_unknown_in_a_short_message(name: object) -> None:
    with pytest.raises(UsageError, match="Unknown recipe ") as caught:
        pick("recipe", name, {"tiny": 1, "x" * 10**6 + "y": 2, "b\x1b": 3})
    message = str(caught.value)
    assert len(message) < 500
    assert message.encode("utf-8").decode().isprintable()


def test_an_empty_table_is_said_to_be_empty() -> None:
    assert near_names("x", []) == "There are none."
