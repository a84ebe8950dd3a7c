"""Models of the Hugging Face hub: from the local cache, else downloaded once."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2pmae.common.errors import TeacherError

__all__ = ["fetch", "quiet", "why_unreachable"]

_REACH_SECONDS = 5.0
"""How long to wait for the hub's first answer. huggingface_hub itself retries for over 20 s without a network."""
_CONFIGURATIONS = ("config.json", "preprocessor_config.json")


def fetch(repository: str, weights: bool = True) -> Path:
    """The local folder that holds a hub model: the cached copy where it is whole, else a fresh download.

    Without ``weights``, its configuration is all that is asked for. :class:`TeacherError` says what was looked for and
    what to do: offline, no such model, terms not accepted, or a download that broke off.
    """
    cached = _cached(repository, weights)
    if cached is not None:
        return cached
    _check_reachable(repository)
    return _download(repository, weights)


def _cached(repository: str, weights: bool) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except Exception:  # nothing there, or not a valid name: the download explains which
        return None
    files = [path.name for path in folder.iterdir()]
    return folder if "config.json" in files and (not weights or _weights(files)) else None


def why_unreachable(file: str) -> str | None:
    """Why the hub does not answer when it is asked for a file (``org/name/resolve/main/config.json``); None if it does.

    One request of the hub's own client, which knows of proxies, tokens and offline mode.
    """
    from huggingface_hub import constants, get_session

    try:
        if constants.HF_HUB_OFFLINE:
            raise ConnectionError("HF_HUB_OFFLINE is set")
        get_session().head(f"{constants.ENDPOINT}/{file}", timeout=_REACH_SECONDS)
    except Exception as error:  # the client is httpx or requests, by version
        return str(error).strip() or type(error).__name__
    return None


def _check_reachable(repository: str) -> None:
    from huggingface_hub import constants

    why = why_unreachable(f"{repository}/resolve/main/config.json")
    if why is not None:
        raise TeacherError(
            f"The teacher {repository!r} is not in the local Hugging Face cache ({constants.HF_HUB_CACHE}), and "
            f"{constants.ENDPOINT} can't be reached ({why}). On a connected "
            f"machine run\n    hf download {repository} --local-dir DIR\ncopy DIR here and use it with --teacher DIR; "
            "or use --teacher embedded, which needs no network."
        )


def _download(repository: str, weights: bool) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        with quiet():
            files = HfApi().list_repo_files(repository)
            if weights and not _weights(files):
                raise TeacherError(f"{repository!r} has neither safetensors nor PyTorch weights, so it is no teacher.")
            wanted = [name for name in _CONFIGURATIONS if name in files] + (_weights(files) if weights else [])
            return Path(snapshot_download(repository, allow_patterns=wanted))
    except GatedRepoError as error:
        raise TeacherError(
            f"The authors of {repository!r} ask you to accept their terms first: open "
            f"https://huggingface.co/{repository}, accept, then run 'hf auth login' and try again."
        ) from error
    except RepositoryNotFoundError as error:
        raise TeacherError(
            f"The Hugging Face hub has no model {repository!r} that you may read. Check the spelling, or run "
            "'hf auth login' if it is private."
        ) from error
    except TeacherError:
        raise
    except Exception as error:  # network, disk, or an invalid name
        raise TeacherError(
            f"Cannot download the teacher {repository!r}: {type(error).__name__}: {str(error).strip()[:500]}. Try "
            "again: what has arrived is kept."
        ) from error


def _weights(files: list[str]) -> list[str]:
    """The weight files to use: safetensors where there are any, one file or shards with their index; none if none."""
    for stem, ending in (("model", "safetensors"), ("pytorch_model", "bin")):
        if f"{stem}.{ending}" in files:
            return [f"{stem}.{ending}"]
        if f"{stem}.{ending}.index.json" in files:
            return [name for name in files if name.startswith(f"{stem}-") or name == f"{stem}.{ending}.index.json"]
    return []


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the hub client's remarks about tokens and rate limits to itself; its progress bars stay."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
