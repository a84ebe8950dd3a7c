"""Recall and speed of search among many vectors, and what is found among built-in shapes, by shape and by part.

python benchmarks/search.py [--sizes 1000 100000] [--channels 672] [--queries 100] [--top 10] [--no-graph]
    [--shapes 400] [--checkpoint tiny] [--threads 1]

The many vectors are drawn around the means of the encoder's embeddings of each class of the built-in shapes (cut to so
many channels), with the covariance that they have within a class: clustered as those of an encoder are, since vectors
without any structure would be harder to search. Queries are drawn likewise. Times are those of the processor, for a
query, and of all threads together for building, which takes those that there are. Recall is the share of the exact
``top`` that the graph finds.
"""

import argparse
import resource
import time
from collections.abc import Sequence

import numpy as np
import torch

import i2pmae
from i2pmae.data.clouds import CloudSet
from i2pmae.retrieval.nearest import Graph, has_graphs, most_similar, unit
from i2pmae.retrieval.regions import regions
from i2pmae.weights.encoder import Encoder

RADIUS, PLACES = 0.25, 32


class Drawn:
    """Vectors of length 1 around the means of classes, as given ones spread in theirs, the same each time."""

    def __init__(self, known: np.ndarray, labels: np.ndarray) -> None:
        classes, own = np.unique(labels, return_inverse=True)
        self.means = np.stack([known[own == name].mean(0) for name in range(len(classes))])
        within = known - self.means[own]
        factor = np.linalg.svd(within, full_matrices=False)
        self.scale = factor.S[:, None] * factor.Vh / max(1, len(known) - len(classes)) ** 0.5

    def __call__(self, count: int, seed: int) -> np.ndarray:
        out = np.empty((count, self.means.shape[1]), np.float32)
        generator = np.random.default_rng(seed)
        for start in range(0, count, 10_000):
            part = out[start : start + 10_000]
            means = self.means[generator.integers(len(self.means), size=len(part))]
            part[:] = unit(means + generator.standard_normal((len(part), len(self.scale)), np.float32) @ self.scale)
        return out


def milliseconds(call: object, queries: np.ndarray, each: int) -> float:
    """A query, ``each`` at a time: the median."""
    assert callable(call)
    taken = []
    for start in range(0, len(queries) - each + 1, each):
        begun = time.process_time()
        call(queries[start : start + each])
        taken.append(1e3 * (time.process_time() - begun) / each)
    return float(np.median(taken))


def speed(vectors: np.ndarray, queries: np.ndarray, top: int, graphs: bool) -> str:
    """A row of the table."""

    def compare(some: np.ndarray) -> np.ndarray:
        return most_similar(some, vectors, top)[1]

    few = queries[: max(1, min(len(queries), 20_000_000 // len(vectors)))]
    cells = [
        f"{len(vectors)}",
        f"{milliseconds(compare, few[:20], 1):.2f}",
        f"{milliseconds(compare, few, len(few)):.2f}",
    ]
    if graphs:
        begun = time.process_time()
        graph = Graph.build(vectors)
        cells.append(f"{time.process_time() - begun:.1f}")
        found = graph.search(queries, vectors, top)[1]
        exact = most_similar(queries, vectors, top)[1]
        recall = (found[:, :, None] == exact[:, None]).any(-1).mean()
        cells += [f"{milliseconds(lambda some: graph.search(some, vectors, top), queries, 1):.2f}", f"{recall:.3f}"]
    else:
        cells += ["–"] * 3
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return "| " + " | ".join([*cells, f"{memory:.1f}"]) + " |"


def by_shape(vectors: np.ndarray, labels: np.ndarray, top: int) -> tuple[float, float]:
    """The share of what is found that has the query's class, and what a random choice would have."""
    hits = [
        (labels[most_similar(vectors[row : row + 1], vectors, top, row)[1][0]] == labels[row]).mean()
        for row in range(len(vectors))
    ]
    chance = (np.bincount(labels).astype(float) ** 2).sum() - len(labels)
    return float(np.mean(hits)), chance / (len(labels) * (len(labels) - 1))


def by_part(encoder: Encoder, clouds: CloudSet, top: int, queries: int) -> tuple[float, float]:
    """The share of what is found that is the query's part, and what random places would have."""
    assert clouds.part_labels is not None
    blocks = [slice(start, start + 32) for start in range(0, len(clouds), 32)]
    made = [regions(encoder, np.asarray(clouds.points[rows]), PLACES, RADIUS) for rows in blocks]
    vectors, centres = (np.concatenate(values) for values in zip(*made, strict=True))
    # A centre is one of the points, and has its part.
    nearest = [
        np.square(place[:, None] - cloud[None]).sum(-1).argmin(1)
        for place, cloud in zip(centres, clouds.points, strict=True)
    ]
    parts = np.take_along_axis(clouds.part_labels, np.stack(nearest), 1)
    hits, chance = [], []
    generator = np.random.default_rng(0)
    for row in generator.choice(len(clouds), min(queries, len(clouds)), replace=False):
        which = int(generator.integers(PLACES))
        _, rows, places = most_similar(vectors[row, which][None], vectors, top, int(row))
        assert places is not None
        hits.append((parts[rows[0], places[0]] == parts[row, which]).mean())
        chance.append((np.delete(parts, row, 0) == parts[row, which]).mean())
    return float(np.mean(hits)), float(np.mean(chance))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--channels", type=int, default=672)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--no-graph", action="store_true")
    parser.add_argument("--shapes", type=int, default=400)
    parser.add_argument("--points", type=int, default=1024)
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    encoder = i2pmae.load(options.checkpoint, "cpu")
    clouds = i2pmae.make_shapes(options.shapes, options.points, parts=True)
    known = encoder.embed(clouds, max_points=None)
    graphs = has_graphs() and not options.no_graph
    assert clouds.labels is not None
    drawn = Drawn(known[:, : options.channels], clouds.labels)
    print("| vectors | exact, ms | exact, many at once, ms | graph, s to build | graph, ms | recall | peak GB |")
    print("|---|---|---|---|---|---|---|")
    for size in options.sizes:
        print(speed(drawn(size, 1), drawn(options.queries, 2), options.top, graphs), flush=True)
    found, chance = by_shape(unit(known), clouds.labels, options.top)
    print(f"by shape: {found:.1%} of {options.top} have the class of the query (by chance {chance:.1%})")
    found, chance = by_part(encoder, clouds, options.top, options.queries)
    print(f"by part: {found:.1%} of {options.top} are the part of the query (by chance {chance:.1%})")


if __name__ == "__main__":
    main()
