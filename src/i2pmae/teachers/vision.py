"""A frozen Hugging Face vision model as a teacher."""

import hashlib
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F

from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.teachers.base import TeacherMaps, pooled
from i2pmae.teachers.families import Asked, Family, TeacherSaliency
from i2pmae.typing import Float, Tensor

__all__ = ["DTYPES", "Precision", "VisionTeacher", "choose_precision", "weights_digest"]

Precision = Literal["auto", "fp32", "bf16", "fp16"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The arithmetic that a precision's name stands for."""
WORTH_IT = 1.2
"""So many times as fast as fp32 bf16 has to be on a CPU to be worth its rounding."""


def choose_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """The arithmetic that ``precision`` means on ``device``.

    ``auto`` is bf16 where bf16 matrices are multiplied faster than fp32 ones, and fp32 elsewhere: on NVIDIA GPUs from
    compute capability 8.0, and on CPUs with instructions for it that a short measurement finds to be faster.
    ``benchmarks/teachers.py`` measures both.
    """
    if precision != "auto":
        if precision not in DTYPES:
            raise UsageError(f"Unknown precision {precision!r}. Choose auto, fp32, bf16 or fp16.")
        return precision
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device)[0] >= 8
    elif device.type == "cpu":
        # Private names: absent in another version of PyTorch means "not known to be fast".
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        fast = any(getattr(torch.cpu, check, bool)() for check in checks) and bf16_gain() >= WORTH_IT
    else:
        fast = False
    return "bf16" if fast else "fp32"


@cache
def bf16_gain() -> float:
    """How many times as fast this CPU multiplies bf16 matrices as fp32 ones: the best of some short rounds, in turn.

    That there are instructions for bf16 does not say it: AMD's processors with AVX512-BF16 are 4.5 times as fast,
    Intel's without AMX half as fast.
    """
    pairs = {dtype: torch.ones(2, 512, 512, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(pairs, float("inf"))
    for _ in range(6):  # the first round makes the libraries ready
        for dtype, (left, right) in pairs.items():
            started = time.perf_counter()
            torch.mm(left, right)
            best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] / best[torch.bfloat16]


def weights_digest(about: object, model: torch.nn.Module) -> str:
    """32 hexadecimal digits that change with any weight of a model, and with what is said ``about`` it."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(about).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class VisionTeacher:
    """A frozen vision model that turns images into feature and saliency maps (I2P-MAE, arXiv 2212.06785, §3.1–3.3).

    Not a ``torch.nn.Module``, and its weights take no gradient. What the maps are is stated per family in
    :mod:`i2pmae.teachers.families`. Build one with :func:`i2pmae.teachers.load_teacher`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        family: Family,
        *,
        name: str,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        image_size: int,
        saliency: TeacherSaliency = "attention",
        layers: Sequence[int] = (),
    ) -> None:
        """Hold ``model`` frozen; one black image goes through it to learn its channels and grid.

        ``saliency`` and ``layers`` are as in :func:`~i2pmae.teachers.load_teacher`. :class:`TeacherError` where the
        model can't process square images of ``image_size`` pixels, or has not what is asked for.
        """
        self._model = model.requires_grad_(False).eval()
        self._family = family
        self.name = name
        self.image_size = image_size
        parameter = next(model.parameters())
        self._dtype, self._device = parameter.dtype, parameter.device
        self._mean, self._std = tuple(mean), tuple(std)
        self._norm = torch.tensor([self._mean, self._std], device=self._device).view(2, 3, 1, 1)
        forward: dict[str, Any] = {}
        if family.needs_interpolation and image_size != _native_size(model):
            forward["interpolate_pos_encoding"] = True
        self._asked = Asked(forward, saliency, tuple(layers))
        _check_asked(self._asked, family, model, name)
        self.feature_dim, self.grid_size = self._measure()

    def __call__(self, images: Float[Tensor, "b ch height width"]) -> TeacherMaps:
        """Maps for square images in [0, 1] with 1 or 3 channels, in float32 and without gradient.

        A single channel is repeated; images of another size than :attr:`image_size` are resized (bilinear,
        anti-aliased); the teacher's own mean and deviation are applied. It follows the images to their device.
        :class:`UsageError` for other shapes or types.
        """
        _check(images)
        if images.device != self._device:
            self.to(images.device)
        if self._model.training:
            self._model.eval()
        # The teacher's arithmetic is its own, not that of a surrounding autocast.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            maps = self._family.read(self._model, self._prepare(images), self._asked)
            return TeacherMaps(*(values.float().contiguous() for values in (*maps[:2], pooled(maps))))

    def to(self, device: torch.device | str) -> "VisionTeacher":
        """The teacher itself, moved to ``device``. Its precision stays."""
        self._model.to(device)
        self._device = next(self._model.parameters()).device
        self._norm = self._norm.to(self._device)
        return self

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``fp16``."""
        return next(name for name, dtype in DTYPES.items() if dtype == self._dtype)

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with any weight, the precision, the image size, the normalisation or what
        is asked for."""
        about: tuple[Any, ...] = (self._family.class_name, self.precision, self.image_size, self._mean, self._std)
        asked = self._asked
        if asked.saliency != "attention" or asked.layers:
            about = (*about, asked.saliency, asked.layers)
        return weights_digest(about, self._model)

    def __repr__(self) -> str:
        return (
            f"VisionTeacher({self.name!r}, {self._family.class_name}, {self.precision}, {self.image_size} px -> "
            f"{self.feature_dim} x {self.grid_size} x {self.grid_size})"
        )

    def _prepare(self, images: Tensor) -> Tensor:
        size = (self.image_size, self.image_size)
        images = images.float()
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        mean, deviation = self._norm
        return ((images - mean) / deviation).to(self._dtype)

    def _measure(self) -> tuple[int, int]:
        try:
            maps = self(torch.zeros(1, 3, self.image_size, self.image_size, device=self._device))
        except (RuntimeError, ValueError) as error:
            raise TeacherError(
                f"The teacher {self.name!r} can't process images with a side of {self.image_size} pixels: {error}"
            ) from error
        _, channels, rows, columns = maps.features.shape
        if rows != columns or maps.saliency.shape != (1, rows, columns):
            raise TeacherError(
                f"Expected square maps of equal size from the teacher {self.name!r}, but it gives features of "
                f"{rows} × {columns} and saliency of {tuple(maps.saliency.shape[1:])}. Choose another model."
            )
        return channels, rows


def _check_asked(asked: Asked, family: Family, model: Any, name: str) -> None:
    """:class:`TeacherError` where a model has not the saliency or the layers that are asked for."""
    if asked.saliency == "rollout" and not family.attends:
        raise TeacherError(
            f"Of the teacher {name!r} ({family.class_name}) no attention rollout can be made. Take saliency attention, "
            "or a ViT of Hugging Face with a first token that attends."
        )
    if not asked.layers:
        return
    if not family.layered:
        raise TeacherError(
            f"The teacher {name!r} ({family.class_name}) gives no features of single layers. Ask for none, or take a "
            "ViT of Hugging Face."
        )
    last = int(model.config.num_hidden_layers) - 1
    wrong = [layer for layer in asked.layers if not 1 <= layer <= last]
    if wrong or len(set(asked.layers)) < len(asked.layers):
        raise TeacherError(
            f"The layers of the teacher {name!r} that can be asked for beside its end are 1 to {last}, each once; got "
            f"{', '.join(map(str, asked.layers))}."
        )


def _native_size(model: Any) -> int:
    """The image size that the model's position embeddings are made for."""
    size = model.config.image_size
    return size if isinstance(size, int) else int(size[0])


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
        raise UsageError(
            "A teacher expects square images of shape (images, 1 or 3 channels, side, side) in [0, 1], but got "
            f"{tuple(images.shape)}."
        )
    if not images.is_floating_point():
        raise UsageError(f"A teacher expects floating-point images in [0, 1], but got {images.dtype}. Divide by 255.")
