"""Notebooks as pages of the site: run when it is built, so that one that fails fails the build."""

import functools
import os
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

SECONDS = 3600
"""That a cell may take."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site with a page for each notebook, which may itself be downloaded."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        place = notebook.src_uri.removesuffix(".ipynb")
        text, pictures = executed(Path(config.docs_dir, notebook.src_uri).read_text(encoding="utf-8"), place)
        files.append(File.generated(config, f"{place}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"{Path(place).parent}/{name}", content=content))
    return files


@functools.cache
def executed(content: str, place: str) -> tuple[str, dict[str, bytes]]:
    """What a notebook looks like once it was run, as Markdown, and its pictures by name; ``mkdocs serve`` runs it when
    it was changed."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.reads(content, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # warnings and progress are of this machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    name = Path(place).name
    text, found = MarkdownExporter().from_notebook_node(notebook, {"unique_key": name, "output_files_dir": name})
    title, _, rest = text.strip().partition("\n")
    source = f"[This page as a notebook]({name}.ipynb); it was run when the site was built.\n"
    return f"{title}\n\n{source}{rest.replace('.ipynb)', '.md)')}\n", found["outputs"]
