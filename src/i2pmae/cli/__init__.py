"""The ``i2pmae`` command: one module per sub-command, imported when it is called.

Results go to standard output, progress and messages to standard error. Exit status 0 on success, 2 for a wrong call,
75 (try again) where a scheduler stopped a run by SIGTERM and it wrote a checkpoint, 1 for any other failure.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from i2pmae.common.errors import I2PError, ToldElsewhere, TrainingInterrupted, UsageError, near_names
from i2pmae.common.memory import keep_freed_memory
from i2pmae.common.ranks import leave
from i2pmae.common.started import started

__all__ = ["COMMANDS", "main", "run"]

COMMANDS: dict[str, str] = {
    "pretrain": "Pre-train an encoder on point clouds or meshes. Without arguments: on built-in shapes, in 5 minutes.",
    "finetune": "Train a classifier on labelled clouds, from a pre-trained encoder or from scratch.",
    "segment": "Train a segmenter that names the part of every point.",
    "fewshot": "Measure how well an encoder learns classes from a few clouds of each.",
    "compare": "Pre-train several recipes at one budget: one table, one plot.",
    "embed": "Write one vector per cloud (and per point, if asked) to a .parquet or .npz file.",
    "index": "Embed clouds once, to be searched.",
    "search": "Find what is like a shape, or like a part of it, and near duplicates.",
    "explore": "Show shapes in a browser: their map, what is alike, and which have a part like the one you pick.",
    "probe": "Measure an encoder: a simple classifier on its frozen features.",
    "predict": "Name the class of each cloud, or the part of each point, by a fine-tuned model.",
    "convert": "Make a weights folder from a checkpoint that a method's authors released.",
    "export": "Store an encoder alone, or make a program of a model that runs anywhere (ONNX).",
    "push": "Publish weights on the Hugging Face hub, with a model card of what their run measured.",
    "serve": "Answer HTTP requests with a model: embed, classify, segment.",
    "replay": "Take a step of a run again, and say what was the first in it that was not finite.",
    "show": "Say what weights or a run are, were trained on, reached, and may be used for.",
    "results": "Print the results of several runs side by side.",
    "view": "Draw clouds as an encoder and its teacher see them, to an .html or .png file.",
    "bench": "Measure how fast this machine is: operations, teacher, step, embedding, probe, start-up.",
    "doctor": "Say what this machine and installation have, and what is broken.",
    "data": "Check a data set, prepare it for fast reading, or list those that can be read.",
    "cache": "List what was read and is kept, or clear it.",
    "recipes": "List the named configurations of a command, or print one in full.",
    "models": "List the pre-trained weights that have a name.",
    "teachers": "List the 2D models that can teach.",
}
"""The sub-commands, each a module of this package with a function ``run(arguments)``, and what they do."""

TOGETHER = {"pretrain", "finetune", "segment", "fewshot", "compare", "embed", "probe", "predict", "data prepare"}
"""What several processes do together; the rest is the work of one."""

TRY_AGAIN = 75
"""The exit status that says so: EX_TEMPFAIL of sysexits.h."""

INTRODUCTION = """\
usage: i2pmae COMMAND [OPTIONS]

Pre-train, measure and use encoders of 3D point clouds that are taught by 2D image models (I2P-MAE).
"""

EXAMPLES = """\
examples:
  i2pmae pretrain                                     on built-in shapes: no data, network or GPU needed
  i2pmae pretrain --data FOLDER --up z --output RUN   on your own meshes or scans
  i2pmae embed FOLDER --output vectors.parquet        one vector per cloud, by the encoder in the package
  i2pmae embed RUN FOLDER --output vectors.parquet    the same by your own
  i2pmae index FOLDER --output INDEX                  then: i2pmae search INDEX FILE
  i2pmae explore INDEX                                in the browser; pick a part of a shape
  i2pmae probe RUN FOLDER                             sub-folders are classes
  i2pmae view RUN FOLDER --output view.html

options:
  -h, --help   this text; `i2pmae COMMAND --help` explains a command
  --version    the version
  --debug      show the traceback of a failure (also: I2PMAE_DEBUG=1)
"""


def run() -> NoReturn:
    """The command: a call with the arguments of the process, which ends with its exit status."""
    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a call with ``arguments`` (those of the process where absent)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("I2PMAE_DEBUG", "") not in ("", "0")
    given = [argument for argument in given if argument != "--debug"]
    try:
        _dispatch(given)
        sys.stdout.flush()
        return 0
    except SystemExit as stop:  # how the parser ends: 0 after a help text, 2 after a wrong call
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BrokenPipeError:  # the reader of our output has gone, as in `i2pmae recipes | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _fail("Stopped.", 1, debug)
    except TrainingInterrupted as stop:
        return _fail(str(stop), TRY_AGAIN if stop.again else 1, debug)
    except ToldElsewhere as error:
        return error.status
    except UsageError as error:
        return _fail(f"error: {error}", 2, debug)
    except I2PError as error:
        return _fail(f"error: {error}", 1, debug)
    except Exception as error:
        kind = type(error).__name__
        if kind in ("MemoryError", "OutOfMemoryError"):  # the second is PyTorch's, of a GPU
            return _fail("error: Out of memory. Use a smaller --batch-size or fewer --points.", 1, debug)
        message = f"internal error: {kind}: {error}\nThis is a bug: please report it, with what --debug prints."
        return _fail(message, 1, debug)


def _dispatch(arguments: list[str]) -> None:
    first = arguments[0] if arguments else ""
    if first in ("", "-h", "--help", "help"):
        print(_help(), file=sys.stdout if first else sys.stderr)
        if not first:
            raise SystemExit(2)
    elif first in ("--version", "version"):
        from i2pmae import __version__

        print(f"i2pmae {__version__}")
    elif first in COMMANDS:
        # Pydantic would add links to its own pages to messages that are for users of this command.
        os.environ.setdefault("PYDANTIC_ERRORS_INCLUDE_URL", "0")
        keep_freed_memory()
        if not TOGETHER & {first, " ".join(arguments[:2])}:
            _check_alone(first)
        importlib.import_module(f"i2pmae.cli.{first}").run(arguments[1:])
    else:
        kind = "option" if first.startswith("-") else "command"
        near = near_names(first, ["--help", "--version", "--debug"] if kind == "option" else COMMANDS)
        raise UsageError(f"Unknown {kind} {first!r}. {near} `i2pmae --help` explains all.")


def _check_alone(command: str) -> None:
    """:class:`UsageError` where this process is one of several, of which the first alone says so."""
    place = started()
    if place.world > 1:
        message = (
            f"`i2pmae {command}` is the work of one process, and this is one of {place.world} (by RANK and WORLD_SIZE, "
            "or by srun): start it alone."
        )
        if place.rank:
            told = ToldElsewhere(message)
            told.status = 2
            raise told
        raise UsageError(message)


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "".join(f"  {name:{width}}  {sentence}\n" for name, sentence in COMMANDS.items())
    return f"{INTRODUCTION}\ncommands:\n{commands}\n{EXAMPLES}".rstrip()


def _fail(message: str, status: int, debug: bool) -> int:
    """Say what went wrong, on standard error, with the traceback where asked for."""
    from rich.text import Text

    from i2pmae.common.progress import console

    err = console()
    if debug:
        err.print_exception()
    err.print(Text(message, style="red"), soft_wrap=True)
    return status
