import pytest

from i2pmae.common.errors import UsageError
from i2pmae.common.yaml import dump_yaml, load_json, load_yaml


def test_plain_values_are_read() -> None:
    text = "a: 1\nb: [1, 2.5, x, null, true, 1e-4]\nc: {d: e}\n2: day\nwhen: 2024-01-02\n"
    values = {"a": 1, "b": [1, 2.5, "x", None, True, "1e-4"], "c": {"d": "e"}, 2: "day", "when": "2024-01-02"}
    assert load_yaml(text, "it") == values
    assert load_yaml("0.5", "it") == 0.5
    assert load_yaml("[1, 2]", "it") == [1, 2]
    assert load_yaml("", "it") is None


def test_what_is_dumped_is_read_back() -> None:
    shared = [1, 2]
    values = {"a": shared, "b": shared, "c": "2024-01-02", "d": "<<", "e": "yes", "f": "\x1b \ud800 é", "g": 1e300}
    assert load_yaml(dump_yaml(values), "it") == values


BOMB = "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{m}, *{m}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", r"the key 'a' is given twice \(line 3, column 1\)"),
        ("a: {b: 1, b: 1}", "the key 'b' is given twice"),
        (BOMB, r"aliases \(\*name\) are not read.*line 2"),
        ("&a [*a]", "aliases"),
        ("seed: !!int abc", r"tags \('tag:yaml.org,2002:int'\) are not read"),
        ("!!python/object/apply:os.system [ls]", "tags"),
        ("seed: 0x_", "'0x_' is no number"),
        ("seed: " + "1" * 5000, "is no number"),
        ("seed: 1:1" + ":1" * 50_000, "is no number"),
        ("seed: 1:1" + ":1" * 50_000 + ".5", "is no number"),
        ("[" * 100_000, "more than 40 levels"),
        ("{a: " * 100_000, "more than 40 levels"),
        ("- " * 100_000, "more than 40 levels"),
        ("? [1]\n: 2", "a key must be a single value"),
        ("a: \x00", r"the character '\\x00' at position 3"),
        ("a: \ud800", r"the character '\\ud800'"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: [1, 2", "expected"),
        ("a: 'x", "line 1"),
        ("\t", "cannot start any token"),
        ("x" * 2_000_000, "it is too long: 2000000 characters"),
    ],
)
def test_what_is_not_plain_is_refused_in_a_short_message(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        load_yaml(text, "it")
    assert str(caught.value).startswith("it is ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["2024-13-45", "2024-02-30 25:61:61", "=", "<<", "0x", "0o9", "1__"])
def test_what_looks_like_something_else_is_text(text: str) -> None:
    assert load_yaml(text, "it") == (1 if text == "1__" else text)


def test_json_is_read_and_what_is_none_is_explained() -> None:
    assert load_json('{"a": [1, 2.5, null]}', "it") == {"a": [1, 2.5, None]}
    wrong = {"[" * 100_000: "too deeply", "NaN": "NaN is no number", "[-Infinity]": "-Infinity is", '{"a"': "delimiter"}
    for text, said in {**wrong, "1" * 5000: "digits", "": "Expecting value"}.items():
        with pytest.raises(UsageError, match=f"it is damaged or not JSON: .*{said}"):
            load_json(text, "it")
