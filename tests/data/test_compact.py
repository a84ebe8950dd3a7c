import numpy as np
import pytest

from i2pmae.data.compact import Codes, Texts

NAMES = ["a/0.npy", "", "Größe", "\udcff.npy", "a/0.npy"]


def test_texts_are_a_list_of_them() -> None:
    texts = Texts(NAMES)
    assert list(texts) == NAMES and len(texts) == 5
    assert texts[-1] == "a/0.npy" and texts[1:4] == NAMES[1:4] and "Größe" in texts
    with pytest.raises(IndexError):
        texts[5]
    texts.cut(3)
    texts.extend(["b"])
    assert list(texts) == [*NAMES[:3], "b"]
    assert texts.arrow().to_pylist() == [*NAMES[:3], "b"]
    assert list(Texts()) == [] and Texts().arrow().to_pylist() == []


def test_codes_are_a_list_of_values() -> None:
    values = ["cup", None, 1, "1", True, "cup"]
    codes = Codes(values)
    assert list(codes) == values and codes[4] is True and codes[-1] == "cup" and codes[1:3] == [None, 1]
    codes.cut(2)
    codes.extend(["jug"])
    assert codes.different() == ["cup", None, "jug"]
    assert codes.different() and Codes(["cup", None, "jug"]).arrow().to_pylist() == ["cup", None, "jug"]
    np.testing.assert_array_equal(codes.mapped({"cup": 4, None: -1, "jug": 2}), [4, -1, 2])
    with pytest.raises(KeyError):
        codes.mapped({"cup": 4, "jug": 2})
    assert Codes().different() == [] and len(Codes().mapped({})) == 0
