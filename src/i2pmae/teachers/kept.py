"""What a teacher says of clouds, kept on disk as arrays with one row for each, which all sets and runs share."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from i2pmae.common import ranks
from i2pmae.common.errors import I2PError
from i2pmae.common.locks import lock
from i2pmae.common.progress import say, track
from i2pmae.teachers.room import begin_entry, make_room, mark_used
from i2pmae.teachers.shelf import KEY, Shelf, Where
from i2pmae.typing import Float, Int, Tensor

__all__ = ["CachedRows", "Clouds"]

BATCHES_PER_NOTE = 16
"""Batches between two notes of how far a build is."""
FORM = "a row for each cloud, 1"
"""Part of every key: changed when what is kept has another form."""
Said = Callable[[Float[Tensor, "b n 3"]], Mapping[str, Tensor]]
"""What is said of clouds, by name."""


class Clouds(Protocol):
    """What maps are made of: a :class:`~i2pmae.data.clouds.CloudSet`."""

    @property
    def points(self) -> Any:
        """``(clouds, n, 3)``; rows of it are arrays."""
        ...

    def __len__(self) -> int: ...

    def digests(self) -> np.ndarray:
        """``(clouds, 16)`` bytes; each row changes with any of the points of a cloud."""
        ...


class _Lack(NamedTuple):
    """What is not there yet."""

    rows: np.ndarray
    """Rows of the set, each cloud once."""
    of: dict[str, np.ndarray]
    """For each name that something is lacking of, which of these rows do."""


class CachedRows:
    """What a teacher says about all clouds of a set as they are stored, in half precision, memory-mapped.

    What one teacher says of clouds has a folder of its own within ``folder``, where each cloud is known by its content:
    sets that have clouds in common share what was said of these. What is not there yet is computed on construction, by
    one run at a time, while others that need that teacher wait; a build that was interrupted goes on where it stopped.
    Processes of one run share the clouds out, and the main one writes. What is finished never changes, so reading needs
    no lock.

    :class:`I2PError` where the disk is full or the folder cannot be used, :class:`UsageError` for a limit that it would
    exceed.
    """

    seconds: float
    """Time that computing it took, in whatever process that was."""

    def __init__(
        self,
        folder: Path,
        about: Sequence[Any],
        wanted: Sequence[str],
        said: Said,
        clouds: Clouds,
        batch: int = 16,
        device: torch.device | str = "cpu",
        shown: bool = True,
        called: str = "",
        limit: float | None = None,
    ) -> None:
        """``about`` is all that decides what is ``said`` of a cloud, ``wanted`` the names of what is kept of it.
        ``called`` is what the list of caches calls it. All in ``folder`` takes at most ``limit`` GiB: what was not used
        for longest makes room."""
        key = hashlib.blake2b(json.dumps([FORM, *about], sort_keys=True).encode(), digest_size=16).hexdigest()
        self.folder = Path(folder) / key
        """Where it is."""
        self._keys = np.ascontiguousarray(clouds.digests()).view(KEY)[:, 0]
        self._shelves = {name: Shelf(self.folder, name) for name in wanted}
        self._called, self._limit, self._size = called, limit, 0
        with contextlib.ExitStack() as stack:
            lack = ranks.on_main(lambda: self._taken(stack, shown))
            if lack is not None:
                self._build(lack, said, clouds, batch, device, shown)
            ranks.barrier()
            self._where = self._found()
            if not _whole(self._where):  # it is as it was before
                for shelf in self._shelves.values():
                    shelf.look()
                self._where = self._found()
        if not _whole(self._where):
            raise I2PError(
                f"The teacher's maps in {self.folder} were removed while they were made, or are on a disk that only "
                "some machines of the run see. Run again, with a cache that all see (data.cache)."
            )
        if ranks.is_main():
            mark_used(self.folder)
            for name, shelf in self._shelves.items():
                shelf.mark_used(self._where[name])
        self.seconds = max(shelf.seconds(self._where[name]) for name, shelf in self._shelves.items())

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of what is kept."""
        return tuple(self._shelves)

    def rows(self, name: str, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "..."]:
        """What is kept under a name of the clouds at rows ``index``, which is on the CPU, in fp32 on ``device``."""
        found = torch.from_numpy(self._shelves[name].read(self._where[name][index.numpy()]))
        if torch.device(device).type == "cuda":
            found = found.pin_memory()  # so that nothing waits for the copy
        return found.to(device, non_blocking=True).float()

    def pooled(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "b v d"]:
        """One vector per view of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        return self.rows("pooled", index, device)

    def _found(self) -> dict[str, Where]:
        """Where everything is that is there."""
        return {name: shelf.find(self._keys) for name, shelf in self._shelves.items()}

    def _lack(self) -> _Lack | None:
        """What is not there, if anything."""
        absent = {name: where[:, 0] < 0 for name, where in self._found().items()}
        if not any(lacking.any() for lacking in absent.values()):
            return None
        _, first = np.unique(self._keys, return_index=True)
        rows = np.sort(first[np.logical_or.reduce([lacking[first] for lacking in absent.values()])])
        return _Lack(rows, {name: lacking[rows] for name, lacking in absent.items() if lacking.any()})

    def _taken(self, stack: contextlib.ExitStack, shown: bool) -> _Lack | None:
        """What is to be made, now that nobody else is at it: then the folder is locked until the stack ends."""
        if self._lack() is None:
            return None
        what = f"the teacher's maps in {self.folder}"
        stack.enter_context(lock(self.folder / ".lock", blocking=True, what=what, say=say if shown else None))
        with self._explained():
            begin_entry(self.folder, self._called)
            for shelf in self._shelves.values():
                shelf.repair()
        return self._lack()  # less, or nothing, where it was made by the process that was waited for

    def _build(
        self, lack: _Lack, said: Said, clouds: Clouds, batch: int, device: torch.device | str, shown: bool
    ) -> None:
        """Compute what is lacking in one pass."""

        def computed(at: slice) -> dict[str, np.ndarray]:
            points = np.asarray(clouds.points[lack.rows[at]], np.float32)
            found = said(torch.as_tensor(points, device=device))
            return {name: found[name].half().cpu().numpy() for name in lack.of}

        steps = [slice(at, at + batch) for at in range(0, len(lack.rows), batch)]
        found = ranks.share_out_to_main(steps, computed)
        with self._explained(), contextlib.ExitStack() as stack:
            for shelf in self._shelves.values():
                stack.callback(shelf.abandon)
            for number, values in enumerate(track(found, "2D teacher", total=len(steps), shown=shown)):
                if number == 0:
                    ranks.on_main(lambda first=values: self._make_room(lack, first))  # type: ignore[misc]
                if values is None:  # the main process writes
                    continue
                at = steps[number]
                for name, lacking in lack.of.items():
                    chosen = lacking[at]
                    self._shelves[name].write(self._keys[lack.rows[at]][chosen], values[name][chosen])
                if (number + 1) % BATCHES_PER_NOTE == 0 or number + 1 == len(steps):
                    for name in lack.of:
                        self._shelves[name].note()
            for name in lack.of:
                self._shelves[name].close()

    def _make_room(self, lack: _Lack, first: Mapping[str, np.ndarray]) -> None:
        """Remove what was not used for longest, as far as what is lacking needs it."""
        self._size = sum(int(lacking.sum()) * first[name][0].nbytes for name, lacking in lack.of.items())
        if self._limit is not None:
            needed = [path for name, where in self._found().items() for path in self._shelves[name].paths(where)]
            make_room(self.folder, self._size, self._limit, needed)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            needed = f" They need {self._size / 2**30:.1f} GiB." if self._size else ""
            raise I2PError(
                f"Cannot write the teacher's maps in {self.folder}: {error.strerror or error}.{needed} What is done "
                "stays: free some space and run again, choose another cache with data.cache, or train without "
                "cache_teacher."
            ) from error


def _whole(found: Mapping[str, Where]) -> bool:
    """Whether all is there."""
    return all((where >= 0).all() for where in found.values())
