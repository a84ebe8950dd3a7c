"""What a teacher says of all clouds of a set, kept on disk as arrays with one row for each."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from i2pmae.common import ranks
from i2pmae.common.errors import I2PError
from i2pmae.common.locks import lock
from i2pmae.common.progress import say, track
from i2pmae.teachers.room import begin_entry, make_room, mark_used
from i2pmae.teachers.stored import Stored
from i2pmae.typing import Float, Int, Tensor

__all__ = ["CachedRows", "Clouds"]

BATCHES_PER_NOTE = 16
"""Batches between two notes of how far a build is."""
Said = Callable[[Float[Tensor, "b n 3"]], Mapping[str, Tensor]]
"""What is said of clouds, by name."""


class Clouds(Protocol):
    """What maps are made of: a :class:`~i2pmae.data.clouds.CloudSet`."""

    @property
    def points(self) -> Any:
        """``(clouds, n, 3)``; rows of it are arrays."""
        ...

    def __len__(self) -> int: ...

    def digest(self) -> str:
        """What changes with any of the points."""
        ...


class CachedRows:
    """What a teacher says about all clouds of a set as they are stored, in half precision, memory-mapped.

    What one teacher says of one set has a folder of its own within ``folder``. It is computed on construction where it
    is not there yet, by one run at a time, while others that need it wait; a build that was interrupted goes on where
    it stopped. Processes of one run share the clouds out, and the main one writes. What is finished never changes, so
    reading needs no lock.

    :class:`I2PError` where the disk is full or the folder cannot be used, :class:`UsageError` for a limit that it would
    exceed.
    """

    seconds: float
    """Time that computing it took, in whatever process that was."""

    def __init__(
        self,
        folder: Path,
        about: Sequence[Any],
        shapes: Mapping[str, tuple[int | None, ...]],
        said: Said,
        clouds: Clouds,
        batch: int = 16,
        device: torch.device | str = "cpu",
        shown: bool = True,
        called: str = "",
        limit: float | None = None,
    ) -> None:
        """``about`` is all that decides what is ``said``; ``shapes``, with None for what is not known before, are those
        of what is kept of it. ``called`` is what the list of caches calls it. All in ``folder`` takes at most ``limit``
        GiB: what was not used for longest makes room."""
        key = hashlib.blake2b(json.dumps(list(about), sort_keys=True).encode(), digest_size=16).hexdigest()
        self.folder = Path(folder) / key
        """Where it is."""
        self._parts = {name: Stored(self.folder, name, shape) for name, shape in shapes.items()}
        self._called, self._limit = called, limit
        with contextlib.ExitStack() as stack:
            if ranks.on_main(lambda: self._missing(stack, shown)):
                self._build(said, clouds, batch, device, shown)
            ranks.barrier()
            found = self._finished()
        if found is None:
            raise I2PError(
                f"The teacher's maps in {self.folder} were removed while they were made, or are on a disk that only "
                "some machines of the run see. Run again, with a cache that all see (data.cache)."
            )
        if ranks.is_main():
            mark_used(self.folder)
        self._found = found
        self.seconds = max(part.noted()[1] for part in self._parts.values())

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of what is kept."""
        return tuple(self._parts)

    def rows(self, name: str, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "..."]:
        """What is kept under a name of the clouds at rows ``index``, which is on the CPU, in fp32 on ``device``."""
        found = torch.from_numpy(self._found[name][index.numpy()])
        if torch.device(device).type == "cuda":
            found = found.pin_memory()  # so that nothing waits for the copy
        return found.to(device, non_blocking=True).float()

    def pooled(self, index: Int[Tensor, " b"], device: torch.device | str = "cpu") -> Float[Tensor, "b v d"]:
        """One vector per view of the clouds at rows ``index``, which is on the CPU, on ``device``."""
        return self.rows("pooled", index, device)

    def _finished(self) -> dict[str, np.ndarray] | None:
        """What is wanted, if all of it is there."""
        found = {name: values for name, part in self._parts.items() if (values := part.finished()) is not None}
        return found if len(found) == len(self._parts) else None

    def _missing(self, stack: contextlib.ExitStack, shown: bool) -> bool:
        """Whether it is to be made, now that nobody else is at it: then the folder is locked until the stack ends."""
        if self._finished() is not None:
            return False
        what = f"the teacher's maps in {self.folder}"
        stack.enter_context(lock(self.folder / ".lock", blocking=True, what=what, say=say if shown else None))
        return self._finished() is None  # unless it was made by the process that was waited for

    def _build(self, said: Said, clouds: Clouds, batch: int, device: torch.device | str, shown: bool) -> None:
        """Compute what is missing in one pass; each part gets its name when all of it is there."""

        def asked(rows: slice) -> Mapping[str, Tensor]:
            return said(torch.as_tensor(np.asarray(clouds.points[rows], np.float32), device=device))

        def computed(start: int) -> dict[str, np.ndarray]:
            found = asked(slice(start, start + batch))
            return {part.name: found[part.name].half().cpu().numpy() for part in missing}

        absent = ranks.on_main(lambda: {name for name, part in self._parts.items() if part.finished() is None})
        missing = [part for name, part in self._parts.items() if name in absent]
        if any(None in part.shape for part in missing):
            first = asked(slice(0, 1))
            missing = [Stored(self.folder, part.name, (len(clouds), *first[part.name].shape[1:])) for part in missing]
        size = sum(part.size for part in missing)
        with self._explained(size), contextlib.ExitStack() as stack:
            done, before = ranks.on_main(lambda: self._opened(missing, size, stack))
            begun = time.monotonic() - before
            starts = range(done, len(clouds), batch)
            found = ranks.share_out_to_main(starts, computed)
            steps = track(found, "2D teacher", total=len(starts), shown=shown and len(starts) > 0)
            for number, values in enumerate(steps, start=1):
                if values is None:  # the main process writes
                    continue
                for part in missing:
                    part.write(values[part.name])
                if number % BATCHES_PER_NOTE == 0 or number == len(starts):
                    for part in missing:
                        part.note(time.monotonic() - begun)
        if ranks.is_main():
            for part in missing:
                part.finish()

    def _opened(self, missing: Sequence[Stored], size: int, stack: contextlib.ExitStack) -> tuple[int, float]:
        """How many clouds are done, in how many seconds; what is missing is open for the others until the stack
        ends."""
        begin_entry(self.folder, self._called)
        if self._limit is not None:
            make_room(self.folder, size, self._limit)
        for part in missing:
            stack.enter_context(part.opened())
        done = min(part.done for part in missing)
        for part in missing:
            part.cut(done)
        return done, max(part.seconds for part in missing)

    @contextlib.contextmanager
    def _explained(self, size: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise I2PError(
                f"Cannot write the teacher's maps in {self.folder}: {error.strerror or error}. They need "
                f"{size / 2**30:.1f} GiB. What is done stays: free some space and run again, choose another cache with "
                "data.cache, or train without cache_teacher."
            ) from error
