"""Whether a task could use a set, by what is known about its clouds: what it would refuse, said before it is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from i2pmae.data.parts_check import lone_parts, tell_parts, unseen_parts
from i2pmae.data.paths import printable

__all__ = ["TASKS", "Facts", "Task", "refusals"]

Task = Literal["pretrain", "finetune", "segment", "fewshot", "probe"]
TASKS: tuple[str, ...] = get_args(Task)
MOST_NAMES = 5


@dataclass(frozen=True)
class Facts:
    """What is known about the clouds of a set."""

    clouds: int
    labels: np.ndarray | None
    """``(clouds,)`` class indices; None where not every cloud has one."""
    classes: Sequence[str] | None
    splits: Sequence[str] | None
    """The split of each cloud; None where not every cloud has one."""
    occurring: Sequence[np.ndarray] | None
    """The parts that occur in each cloud, as indices; None where not every cloud has part labels."""
    parts: Sequence[str] | None

    def rows(self, *names: str) -> np.ndarray:
        """The clouds of some splits."""
        return np.flatnonzero(np.isin(np.asarray(self.splits if self.splits is not None else []), names))

    def named(self, classes: np.ndarray) -> str:
        """Names of classes, the first of many."""
        names = [str(index) if self.classes is None else self.classes[index] for index in classes.tolist()]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return ", ".join(printable(repr(name)) for name in names[:MOST_NAMES]) + more


def refusals(task: Task, facts: Facts) -> tuple[list[str], list[str]]:
    """Why ``task`` would refuse the set, one sentence each, and what else its user should know beforehand.

    What depends on a task's own options, such as the number of tokens or of shots, is not looked at.
    """
    if not facts.clouds:
        return ["There is no cloud that can be used."], []
    if task == "pretrain":
        return [], []
    if task == "segment":
        return _segment(facts)
    if facts.labels is None:
        return ["There are no labels: name the classes by folders, in a manifest or in an array of labels."], []
    found = len(np.unique(facts.labels))
    if found < 2:
        return [f"There is {found} class, and at least 2 are needed."], []
    return ([], []) if task == "fewshot" else (_splits(task, facts, facts.labels), [])


def _splits(task: Task, facts: Facts, labels: np.ndarray) -> list[str]:
    """What is wrong with how the clouds are split."""
    splits = set(facts.splits or ())
    trained, tested = facts.rows("train"), facts.rows("test" if "test" in splits else "val")
    whole = len(trained) > 0 and len(tested) > 0
    if splits and not whole and task != "probe":
        return [f"There is the split {' and '.join(sorted(splits))} alone; train and test are needed, or no splits."]
    if not whole:
        rare = _rare(labels)
        alone = f"There is only 1 cloud of {facts.named(rare)}: none can be held out for testing."
        return [alone] if len(rare) else []
    found = []
    unseen = np.setdiff1d(labels[tested], labels[trained])
    if len(unseen) and task != "probe":
        found.append(f"There are test clouds of {facts.named(unseen)}, but none to train on.")
    rare = _rare(labels[trained])
    if len(rare) and task != "probe" and not {"train", "val", "test"} <= splits:
        found.append(
            f"There is only 1 training cloud of {facts.named(rare)}, and no val split: none can be held out to choose "
            "the epoch by."
        )
    return found


def _rare(labels: np.ndarray) -> np.ndarray:
    kinds, counts = np.unique(labels, return_counts=True)
    return kinds[counts == 1]


def _segment(facts: Facts) -> tuple[list[str], list[str]]:
    if facts.occurring is None:
        return ["There are no part labels: segmentation needs one for every point of every cloud."], []
    kinds = len(set().union(*(parts.tolist() for parts in facts.occurring)))
    count = kinds if facts.parts is None else len(facts.parts)
    if count < 2:
        return [f"There is {count} part, and at least 2 are needed."], []
    labels = np.zeros(facts.clouds, np.int64) if facts.labels is None else facts.labels
    classes = None if facts.labels is None else facts.classes
    wrong = _splits("segment", facts, labels)
    splits = set(facts.splits or ())
    if not splits:
        lone = tell_parts(lone_parts(facts.occurring, labels), classes, facts.parts)
        said = "Parts in one cloud of their category alone: if it is held out for testing, nobody can learn them. "
        return wrong, [said + "; ".join(lone)] if lone else []
    if not len(facts.rows("train")):
        return wrong, []
    learned = facts.rows("train", "val") if "test" in splits else facts.rows("train")
    tested = facts.rows("test" if "test" in splits else "val")
    found = unseen_parts(facts.occurring, facts.labels, learned, tested)
    if len(found.rows):
        told = "".join(f"\n  {line}" for line in tell_parts(found.counts, classes, facts.parts))
        wrong.append(
            f"{len(found.rows)} of {len(tested)} test clouds have parts that no training cloud of their category has:"
            + told
        )
    return wrong, []
