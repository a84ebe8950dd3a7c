"""Weights on the Hugging Face hub: fetched into its local cache, and published with a model card."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.common.files import write_text
from i2pmae.encoders.base import PointModel
from i2pmae.teachers.hub import quiet, why_unreachable
from i2pmae.weights.card import model_card
from i2pmae.weights.named import HUB, RECORD_FILE, WEIGHTS_FILE, holds_weights
from i2pmae.weights.reached import LICENCE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from i2pmae.weights.transfer import encoder_alone

__all__ = ["CARD", "check_repository", "fetch_weights", "publish", "published", "upload_command", "write_folder"]

CARD, CONFIG = "README.md", "config.json"

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w")
"""What a name of a repository looks like; the hub itself knows the rest of its rules."""
NEEDED = [WEIGHTS_FILE, RECORD_FILE]


def check_repository(name: str) -> str:
    """The name itself, where it can be one of a repository; :class:`UsageError` where it can't."""
    if not REPOSITORY.fullmatch(name) or ".." in name or "--" in name:
        raise UsageError(f"A repository of the hub is called ORG/NAME, not {name!r}.")
    return name


def fetch_weights(
    name: str,
    *,
    revision: str | None = None,
    force_download: bool = False,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder with the weights of a repository, ``ORG/NAME`` or ``ORG/NAME@REVISION``.

    The cached copy where it is whole, unless ``force_download``; else a fresh download. The other arguments are those
    of huggingface_hub. :class:`CheckpointError` says what was looked for and what to do: no such repository, terms not
    accepted, no weights of this package in it, no network, a download that broke off.
    """
    repository, _, wanted = name.partition("@")
    try:
        check_repository(repository)
    except UsageError as error:
        raise CheckpointError(f"{HUB}{name}: {error}") from None
    revision = revision or wanted or None
    options: dict[str, Any] = {"revision": revision, "token": token, "cache_dir": cache_dir}
    if not force_download:
        cached = _cached(repository, options)
        if cached is not None:
            return cached
    _check_reachable(repository, revision, local_files_only)
    return _download(repository, options, force_download)


def _cached(repository: str, options: dict[str, Any]) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, local_files_only=True, **options))
    except Exception:  # nothing there: the download explains why that is so
        return None
    return folder if holds_weights(folder) else None


def _check_reachable(repository: str, revision: str | None, local_files_only: bool) -> None:
    from huggingface_hub import constants

    file = f"{repository}/resolve/{revision or 'main'}/{RECORD_FILE}"
    why = "only local files were asked for" if local_files_only else why_unreachable(file)
    if why is not None:
        raise CheckpointError(
            f"The weights {HUB}{repository} are not in the local Hugging Face cache ({constants.HF_HUB_CACHE}), and "
            f"{constants.ENDPOINT} can't be reached ({why}). On a connected machine run\n    hf download {repository} "
            "--local-dir DIR\ncopy DIR here and give it as the checkpoint."
        )


def _download(repository: str, options: dict[str, Any], force: bool) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    revision, token = options["revision"], options["token"]
    try:
        with quiet():
            files = HfApi().list_repo_files(repository, revision=revision, token=token)
            _check_holds(repository, files)
            return Path(snapshot_download(repository, allow_patterns=NEEDED, force_download=force, **options))
    except GatedRepoError:
        raise CheckpointError(
            f"The authors of {HUB}{repository} ask you to accept their terms first: open "
            f"https://huggingface.co/{repository}, accept, then run 'hf auth login' and try again."
        ) from None
    except RevisionNotFoundError:
        raise CheckpointError(f"{HUB}{repository} has no revision {revision!r}: leave it out for the newest.") from None
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"The Hugging Face hub has no model {repository!r} that you may read. Check the spelling, or run "
            "'hf auth login' if it is private."
        ) from None
    except CheckpointError:
        raise
    except Exception as error:  # network, disk
        raise CheckpointError(
            f"Cannot download {HUB}{repository}: {type(error).__name__}: {str(error).strip()[:500]}. Try again: what "
            "has arrived is kept."
        ) from error


def _check_holds(repository: str, files: list[str]) -> None:
    missing = [name for name in NEEDED if name not in files]
    if missing:
        held = ", ".join(sorted(files)[:8]) or "nothing"
        raise CheckpointError(
            f"{HUB}{repository} holds no weights of i2pmae: expected {' and '.join(NEEDED)}, found {held}. A model of "
            f"images can be a teacher (--teacher {repository})."
        )


def published(model: PointModel, record: ModelRecord) -> tuple[PointModel, ModelRecord]:
    """What is published of a model: of a pre-trained one the encoder alone, of one that predicts all of it."""
    return encoder_alone(model, record) if record.kind.applied is None else (model, record)


def write_folder(
    folder: Path,
    model: PointModel,
    record: ModelRecord,
    repository: str,
    facts: Mapping[str, Any],
    *,
    precision: Literal["fp16", "fp32"] = "fp32",
    licence: str = "",
    results: str = "",
    pictures: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """The names of the files that make up a repository, which are then in ``folder``: weights, record, card, pictures.

    The record is there as ``config.json`` too, which the hub looks for and counts; nothing here reads it. ``pictures``
    are in the folder already. Errors as :func:`~i2pmae.weights.store.save_weights`.
    """
    if licence:
        record = record.changed(notes={**record.notes, LICENCE: licence})
    save_weights(folder, model, record, precision=precision)
    write_text(folder / CONFIG, json.dumps(record.model_dump(mode="json"), indent=2) + "\n")
    card = model_card(repository, record, facts, licence=licence, results=results, pictures=pictures)
    write_text(folder / CARD, card)
    return [*NEEDED, CONFIG, CARD, *(file for file, _ in pictures)]


def upload_command(folder: Path, repository: str) -> str:
    """The one command that uploads a folder."""
    return f"hf upload {repository} {folder} ."


def publish(
    folder: Path,
    repository: str,
    *,
    files: list[str],
    message: str = "Weights of i2pmae",
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
    kept: bool = True,
) -> str:
    """The address of the commit with the ``files`` of a folder in a repository, which is made where there is none.

    :class:`I2PError` where the hub can't be reached or refuses; it says how to upload the folder, where that is
    ``kept``.
    """
    from huggingface_hub import HfApi, constants

    why = why_unreachable("api/models")
    if why is not None:
        raise _not_uploaded(folder, repository, f"{constants.ENDPOINT} can't be reached ({why})", kept)
    api = HfApi()
    try:
        with quiet():
            api.create_repo(repository, private=private, token=token, exist_ok=True)
            if branch:
                api.create_branch(repository, branch=branch, token=token, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                allow_patterns=files,
                commit_message=message,
                token=token,
                revision=branch,
                create_pr=create_pr,
            )
    except Exception as error:  # what the hub refuses, and what the network does
        raise _not_uploaded(folder, repository, _reason(error), kept) from error
    return str(done.commit_url)


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 or type(error).__name__ == "LocalTokenNotFoundError":
        return "you are not logged in: run 'hf auth login' with a token that may write"
    if status == 403:
        return "your token may not write there: choose your own organisation, or a token that may"
    return f"{type(error).__name__}: {str(error).strip()[:300]}"


def _not_uploaded(folder: Path, repository: str, why: str, kept: bool) -> I2PError:
    later = f"Nothing is lost: {folder} holds all files. Upload it with\n    {upload_command(folder, repository)}"
    return I2PError(f"Not uploaded: {why}. {later if kept else 'Try again, or write a folder by save_pretrained.'}")
