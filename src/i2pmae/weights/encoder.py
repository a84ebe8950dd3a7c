"""A trained encoder, ready to use."""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import torch

from i2pmae.common.errors import UsageError
from i2pmae.encoders.base import PointModel, TokenEncoder
from i2pmae.encoders.pooling import POOLINGS, Pooling
from i2pmae.teachers.vision import weights_digest
from i2pmae.typing import Float, Tensor
from i2pmae.weights.applied import AppliedModel, like
from i2pmae.weights.clouds import copy_of, given_points, thin
from i2pmae.weights.reached import LICENCE, NOTED, Reached

__all__ = ["EmbeddingModule", "Encoder"]


class EmbeddingModule(PointModel):
    """An encoder with its read-out as a module: clouds to embeddings, with gradients."""

    def __init__(self, encoder: TokenEncoder, pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b c"]:
        """One vector per cloud; ``points`` are y up and in the unit sphere, at least :attr:`min_points` of each cloud.

        :class:`UsageError` for points of the wrong shape or number.
        """
        return self.embed(points)


class Encoder(AppliedModel):
    """A frozen encoder of point clouds: evaluation mode, no gradients, same result whatever else is in the batch."""

    def __repr__(self) -> str:
        return (
            f"Encoder({self.record.method}, {self.embedding_dim} channels, at least {self.min_points} points, "
            f"trained on {self.record.points}, {self.device})"
        )

    @property
    def embedding_dim(self) -> int:
        """Channels of an embedding, pooled as the record says."""
        return self.model.embedding_dim(self.pooling)

    @property
    def pooling(self) -> Pooling:
        """How the tokens of a cloud become its embedding, unless a call says otherwise."""
        assert self.record.pooling is not None  # a record without says that there is no encoder
        return self.record.pooling

    def read_out(self, pooling: Pooling | None) -> "Encoder":
        """The same encoder with another read-out (:class:`UsageError` for one that it has not); itself where None."""
        if pooling is None or pooling == self.pooling:
            return self
        if pooling not in POOLINGS:
            raise UsageError(f"Unknown pooling {pooling!r}: expected {' or '.join(POOLINGS)}.")
        if not self.has(pooling):
            raise UsageError("The pooling 'class|max' needs an encoder with a [CLS] token, which this one lacks.")
        return Encoder(self.model, self.record.changed(pooling=pooling), self.device)

    def has(self, pooling: Pooling) -> bool:
        """Whether tokens can be pooled in this way: all can but by the [CLS] token of an encoder that has none."""
        return pooling != "class|max" or bool(getattr(self.model.encoder.config, "class_token", False))

    @property
    def info(self) -> dict[str, Any]:
        """What it is: method and task, what it was trained on and with, its sizes, what it reached, and other notes.

        ``reached`` is what a linear probe of it found, with the ``accuracy``, that ``untrained`` and the ``data``, or
        None; ``licence`` the terms under which it may be used, empty where nobody said. ``i2pmae show`` prints it.
        ``channels`` of an embedding, ``point_channels`` of the features of a point, ``parameters`` of the encoder
        alone; ``points`` per cloud in training, ``files_up`` the axis that pointed up in the files of then.
        """
        record, notes, reached = self.record, dict(self.record.notes), Reached.of(self.record)
        for name in NOTED:
            notes.pop(name, None)
        return {
            "method": record.method,
            "task": record.task,
            "recipe": notes.pop("recipe", ""),
            "data": notes.pop("data", ""),
            "teacher": record.teacher,
            "points": record.points,
            "min_points": self.min_points,
            "channels": self.embedding_dim,
            "point_channels": self.model.point_feature_dim,
            "parameters": sum(values.numel() for values in self.model.encoder.parameters()),
            "pooling": self.pooling,
            "files_up": record.files_up,
            "i2pmae_version": record.i2pmae_version,
            "reached": None if reached is None else reached.to_dict(),
            "licence": notes.pop(LICENCE, ""),
            "notes": notes,
        }

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        device: str | torch.device = "auto",
        revision: str | None = None,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """The encoder in a local folder, of a name, or of a repository of the Hugging Face hub, ``ORG/NAME``.

        Arguments are those of huggingface_hub's models, beside the device. Of the hub, the cached copy is used where it
        is whole, unless ``force_download``. Errors as :func:`i2pmae.load`.
        """
        from i2pmae.weights.hub import fetch_weights
        from i2pmae.weights.named import HUB, is_name
        from i2pmae.weights.store import load_model

        given = pretrained_model_name_or_path
        if isinstance(given, str) and not is_name(given) and not Path(given).exists():
            given = fetch_weights(
                given.removeprefix(HUB),
                revision=revision,
                force_download=force_download,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        return cls(*load_model(given), device)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        licence: str = "",
        precision: Literal["fp16", "fp32"] = "fp32",
    ) -> Path:
        """The folder, with all that a repository of the hub needs: weights (safetensors), their record, a model card.

        ``repo_id`` is what the card calls it, the folder's own name where absent; ``licence`` the hub's name of one. Of
        a pre-trained model the encoder alone is stored; all of one that predicts.
        """
        from i2pmae.weights.hub import published, write_folder

        folder = Path(save_directory)
        model, record = published(self.model, self.record)
        name = repo_id or folder.absolute().name
        write_folder(folder, model, record, name, self.facts, precision=precision, licence=licence)
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Weights of i2pmae",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        licence: str = "",
        precision: Literal["fp16", "fp32"] = "fp32",
    ) -> str:
        """The address of the commit that holds the encoder in a repository of the hub, made where there is none.

        ``i2pmae push RUN ORG/NAME`` also writes what the run measured into the card. :class:`I2PError` where the hub
        can't be reached or refuses.
        """
        from i2pmae.weights.hub import check_repository, publish, published, write_folder

        check_repository(repo_id)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            model, record = published(self.model, self.record)
            files = write_folder(place, model, record, repo_id, self.facts, precision=precision, licence=licence)
            options = {"private": private, "token": token, "branch": branch, "create_pr": create_pr}
            return publish(place, repo_id, files=files, message=commit_message, kept=False, **options)  # type: ignore[arg-type]

    @property
    def facts(self) -> dict[str, Any]:
        """Rows of a model card's table of what the encoder is."""
        info = self.info
        return {
            "method": info["method"],
            "recipe": info["recipe"],
            "trained on": info["data"],
            "2D teacher": info["teacher"],
            "points per cloud": info["points"],
            "channels of an embedding": info["channels"],
            "read-out": info["pooling"],
            "channels of a point": info["point_channels"],
            "parameters of the encoder": f"{info['parameters'] / 1e6:.2f} M",
            "axis up in the files": info["files_up"],
        }

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with the encoder and with its read-out, and with nothing else."""
        about = (self.model.encoder.config.alone().model_dump_json(), self.pooling, self.model.shows_all)
        return weights_digest(about, self.model.encoder)

    @cached_property
    def module(self) -> EmbeddingModule:
        """The encoder as a part of your own model: a ``torch.nn.Module`` from ``(b, n, 3)`` points to ``(b, c)``.

        It has gradients, and evaluation mode until ``train()``. Its points are y up and in the unit sphere, as a
        :class:`~i2pmae.data.CloudSet` has them and :func:`i2pmae.normalise` makes them. Fine-tuning in a loop of one's
        own, here with a linear head for 10 classes:

        >>> encoder = i2pmae.load("runs/pretrain", device="cuda")
        >>> body, head = encoder.module.train(), torch.nn.Linear(encoder.embedding_dim, 10).cuda()
        >>> optimiser = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-4)
        >>> for points, labels in batches:
        ...     loss = torch.nn.functional.cross_entropy(head(body(points)), labels)
        ...     optimiser.zero_grad()
        ...     loss.backward()
        ...     optimiser.step()
        >>> encoder.embed(clouds)  # with what the encoder has learnt by now, always in evaluation mode

        The weights are those of the encoder, not a copy: what the module learns, :meth:`embed` shows.
        """
        return EmbeddingModule(self.model.encoder, self.pooling).eval()

    def embed(
        self,
        points: Any,
        *,
        batch_size: int = 64,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
        pooling: Pooling | None = None,
        copies: int = 1,
    ) -> Any:
        """One vector per cloud, float32, in the kind of array that came: ``(b, c)``, or ``(c,)`` for a single cloud.

        Args:
            points: ``(b, n, 3)``, a single cloud ``(n, 3)``, or a list of ``(n_i, 3)`` clouds of different sizes, as
                NumPy arrays or PyTorch tensors of any floating-point type; or a :class:`~i2pmae.data.CloudSet`. A
                tensor's result is on the tensor's device. A cloud with fewer points than the encoder has tokens is
                filled up with points of its own, drawn again as they are where a file has too few.
            batch_size: clouds at a time; changes speed and memory, not the result.
            up: the axis that points up in the clouds; the encoder was trained with y up.
            normalise: move each cloud into the unit sphere, as in training.
            max_points: clouds with more points are thinned to so many, by a choice that depends on their size alone.
                ``trained`` is the number seen in training, whose density the encoder knows best; None uses all.
            pooling: how the coarsest tokens become one vector: ``max``, ``mean+max`` (their sum), ``mean|max`` (side by
                side) or ``class|max`` (with the [CLS] token, where the encoder has one); ``levels:max``,
                ``levels:mean|max`` and ``levels:mean|max|deviation`` read the tokens of all levels. As :attr:`pooling`
                says where absent.
            copies: of each cloud, a little stretched and in another order of points, whose vectors are averaged: 1 is
                the cloud alone; 4 tell classes better apart, and take four times as long.

        Raises:
            UsageError: for another shape or type, coordinates that are not finite, fewer than 3 different points, or a
                result that is not finite; it names the cloud.
            CheckpointError: for weights that make a cloud in the unit sphere a result that is not finite.
        """
        points = given_points(points, up)
        kind = pooling or self.pooling
        if kind not in POOLINGS:
            raise UsageError(f"Unknown pooling {kind!r}: expected {' or '.join(POOLINGS)}.")
        if copies < 1:
            raise UsageError(f"copies must be at least 1, got {copies}.")
        most = self._most(max_points)

        def vectors(batch: Float[Tensor, "b n 3"], _: list[int]) -> Float[Tensor, "b c"]:
            batch = thin(batch, most)
            total = self.model.embed(batch, kind)
            for number in range(1, copies):
                total = total + self.model.embed(copy_of(batch, number), kind)
            return total / copies

        rows = self._run(points, batch_size, up, normalise, vectors)
        return like(points, rows, (self.model.embedding_dim(kind),))

    def point_features(
        self,
        points: Any,
        *,
        batch_size: int = 16,
        up: Literal["y", "z", "x"] = "y",
        normalise: bool = True,
        max_points: int | Literal["trained"] | None = "trained",
    ) -> Any:
        """One vector per point, float32: ``(b, n, d)``, ``(n, d)`` for a single cloud, or a list for a list.

        The tokens of all levels, each interpolated from the three nearest centres to the points, side by side. Every
        point gets its features, also where the tokens are made from fewer (``max_points``). Arguments and errors are
        those of :meth:`embed`.
        """
        points = given_points(points, up)
        most = self._most(max_points)
        rows = self._run(
            points, batch_size, up, normalise, lambda batch, _: self.model.point_features(thin(batch, most), at=batch)
        )
        empty = () if rows else (points.shape[1], self.model.point_feature_dim)
        return like(points, rows, empty)
