"""The legend of dimensions and the tensor types that signatures use.

Shapes stand in signatures as jaxtyping annotations, ``Float[Tensor, "b n 3"]``; the tests check them at run time.
One letter means the same thing everywhere:

| letter | meaning |
|---|---|
| ``b`` | clouds in a batch |
| ``n`` | points of a cloud |
| ``m`` | tokens (groups) of one level |
| ``k`` | neighbours in a group |
| ``c`` | channels of a token or feature |
| ``v`` | views of a cloud |
| ``h w`` | rows and columns of an image or of a teacher's grid |
| ``t`` | visible tokens after padding to the longest in the batch |
"""

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Shaped", "Tensor"]
