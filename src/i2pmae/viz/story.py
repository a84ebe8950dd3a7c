"""What frames a report: the paragraph that says what it is, and the commands that go on from it."""

from collections.abc import Sequence

from i2pmae.teachers.catalogue import JOINED, RANDOM, RUN
from i2pmae.viz.content import NextStep, ProbePair, ReportContent, RunContext
from i2pmae.viz.text import escape, shell

__all__ = ["after_pretraining", "next_section", "opening", "percent"]

CLOUDS, LABELLED = "CLOUDS", "LABELLED_CLOUDS"
"""Placeholders for data that is not known, or that has no labels where a command needs some."""

TEACHERS = {"embedded": "the small one that comes with the package"}
"""What to call teachers whose name says nothing."""


def percent(share: float) -> str:
    """A share in percent, with a thin space before the sign that no line breaks at."""
    return f"{100 * share:.1f}\u202f%"


def opening(content: ReportContent) -> str:
    """What the page is, what was trained on what, and what it was worth, as paragraphs."""
    run = content.run or RunContext("")
    encoder = f"An encoder of 3D point clouds{f' ({run.method})' * bool(run.method)} was trained"
    encoder += f" on {run.trained_on}" * bool(run.trained_on) + ", without being told a single label."
    if run.teacher:
        encoder += f" It learned to fill in what was hidden from it, and to say what {_taught_by(run.teacher)}."
    told = f"<p>This page reports one pre-training run of i2pmae. {escape(encoder)}</p>"
    if content.probe is not None:
        told += _headline(content.probe)
    below = [
        "where the test clouds lie among each other" if content.embeddings is not None else "",
        "what single clouds look like to the 2D model and to the encoder" if content.clouds else "",
        "how the training went" if content.history else "",
        "commands to go on with",
    ]
    return f'<div class="opening">{told}<p class="muted">Below: {", ".join(filter(None, below))}.</p></div>'


def _taught_by(teacher: str) -> str:
    """Who says what of the clouds, by the teacher's name."""
    if teacher.startswith(RUN):
        return f"an encoder that was trained before ({teacher}) predicts of a 2D image model at the points"
    called = TEACHERS.get(teacher, teacher)
    what = "frozen 2D image models side by side" if JOINED in teacher else "a frozen 2D image model"
    chance = ", with random weights where that is said," if RANDOM in teacher else ""
    see = "see" if JOINED in teacher else "sees"
    return f"{what} ({called}){chance} {see} in depth maps of the same clouds"


def _headline(probe: ProbePair) -> str:
    guess = "" if probe.chance is None else f"; always guessing the most frequent class, {percent(probe.chance)}"
    return (
        f"<p><strong>From its features a linear classifier names the right class of {percent(probe.trained)} of the "
        f"test clouds.</strong> From those of the same encoder before training it names {percent(probe.untrained)}"
        f"{guess}.</p>"
    )


def after_pretraining(run: RunContext) -> list[NextStep]:
    """What can be done with the encoder of a run, with the run's own folder, data and reading options."""
    # A folder of one word could be the name of a recipe.
    folder = run.folder if "/" in run.folder else f"./{run.folder}"
    data = f"./{run.data}" if run.data.startswith("-") else run.data or CLOUDS
    classes = data if run.labelled else LABELLED
    options = tuple(run.options)
    return [
        NextStep(
            ("i2pmae", "embed", folder, data, *options, "--output", "vectors.parquet"),
            "One vector per cloud, to search, to cluster or to classify with.",
        ),
        NextStep(
            ("i2pmae", "probe", folder, classes, *options),
            "How well a linear classifier on the frozen features tells your classes apart.",
        ),
        NextStep(
            ("i2pmae", "finetune", folder, classes, *options, "--output", f"{folder}-classes"),
            "A classifier: the encoder is trained on with labels. `i2pmae predict` applies it to new files.",
        ),
        NextStep(
            ("i2pmae", "view", folder, data, *options, "--output", "view.html"),
            "The pictures of this page for clouds of your choice.",
        ),
    ]


def next_section(steps: Sequence[NextStep]) -> str:
    """The commands with what they do, as a section; nothing where there are none."""
    if not steps:
        return ""
    items = "".join(
        f"<li><p>{_marked(step.purpose)}</p><pre><code>{escape(' '.join(map(shell, step.words)))}</code></pre></li>"
        for step in steps
    )
    words = {word for step in steps for word in step.words}
    holders = {CLOUDS: "a folder or file of clouds or meshes", LABELLED: "a folder with a sub-folder per class"}
    told = ", ".join(f"{name} stands for {what}" for name, what in holders.items() if name in words)
    note = f'<p class="caption">{told}.</p>' if told else ""
    return f'<section class="card next"><h2>Next</h2><ol>{items}</ol>{note}</section>'


def _marked(text: str) -> str:
    """Escaped text whose parts between back-quotes are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
