"""ShapeNet-55: the shapes of ShapeNet's 55 classes as clouds of 8192 points, for pre-training."""

from pathlib import Path

from i2pmae.data.sources.benchmarks.base import Benchmark, Gathered, Layout, places, read_list
from i2pmae.data.sources.plan import Plan

__all__ = ["SHAPENET55", "TAXONOMY"]

TAXONOMY = {
    "02691156": "airplane",
    "02747177": "trash bin",
    "02773838": "bag",
    "02801938": "basket",
    "02808440": "bathtub",
    "02818832": "bed",
    "02828884": "bench",
    "02843684": "birdhouse",
    "02871439": "bookshelf",
    "02876657": "bottle",
    "02880940": "bowl",
    "02924116": "bus",
    "02933112": "cabinet",
    "02942699": "camera",
    "02946921": "can",
    "02954340": "cap",
    "02958343": "car",
    "02992529": "cellphone",
    "03001627": "chair",
    "03046257": "clock",
    "03085013": "keyboard",
    "03207941": "dishwasher",
    "03211117": "display",
    "03261776": "earphone",
    "03325088": "faucet",
    "03337140": "file cabinet",
    "03467517": "guitar",
    "03513137": "helmet",
    "03593526": "jar",
    "03624134": "knife",
    "03636649": "lamp",
    "03642806": "laptop",
    "03691459": "loudspeaker",
    "03710193": "mailbox",
    "03759954": "microphone",
    "03761084": "microwave",
    "03790512": "motorcycle",
    "03797390": "mug",
    "03928116": "piano",
    "03938244": "pillow",
    "03948459": "pistol",
    "03991062": "flowerpot",
    "04004475": "printer",
    "04074963": "remote control",
    "04090263": "rifle",
    "04099429": "rocket",
    "04225987": "skateboard",
    "04256520": "sofa",
    "04330267": "stove",
    "04379243": "table",
    "04401088": "telephone",
    "04460130": "tower",
    "04468005": "train",
    "04530566": "watercraft",
    "04554684": "washer",
}
"""The class of each number of WordNet that a file name begins with, in the order of the labels."""
LISTS, POINTS = "ShapeNet-55", "shapenet_pc"
COUNTS = {"train": 41952, "test": 10518}


def find(path: Path) -> Plan | None:
    """Lists of the splits in ``ShapeNet-55``, and ``shapenet_pc/<taxonomy>-<model>.npy``: 8192 points each, y up."""
    roots = [*places(path, "ShapeNet55-34", "ShapeNet55"), *([path.parent] if path.name in (LISTS, POINTS) else [])]
    for root in roots:
        lists = {split: root / LISTS / f"{split}.txt" for split in COUNTS}
        if not (any(file.is_file() for file in lists.values()) and (root / POINTS).is_dir()):
            continue
        found = Gathered(root)
        for split, file in lists.items():
            for number, name in enumerate(read_list(file) or [], 1):
                label = TAXONOMY.get(name.partition("-")[0])
                if label is None:
                    found.faults.append(f"{LISTS}/{file.name}, line {number}: {name!r} is of no class of ShapeNet-55")
                else:
                    found.add_file(root / POINTS / name, label, split, listed=f"{LISTS}/{file.name}")
        return found.plan("ShapeNet-55", "files of points", COUNTS, classes=tuple(TAXONOMY.values()), points=8192)
    return None


SHAPENET55 = Benchmark(
    "shapenet55",
    "ShapeNet-55",
    "Shapes of 55 classes, 8192 points each, for pre-training.",
    "https://shapenet.org (the shapes, after registering); the clouds and lists: DATASET.md of "
    "https://github.com/Julie-tang00/Point-BERT",
    (Layout(f"{LISTS}/train.txt and test.txt beside {POINTS}/<taxonomy>-<model>.npy", find),),
)
