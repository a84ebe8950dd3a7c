"""Images per second of teachers by precision, and what rounding costs; on a CPU, per second of processor time.

    python benchmarks/teachers.py embedded [NAME|FOLDER ...]

For every teacher: fp32 and bf16 with fused attention and the one attention row that the saliency needs (what the
package runs), and, for scale, transformers' eager attention that builds every layer's maps.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from transformers import AutoModel
from transformers.utils import logging

from i2pmae.data.shapes import make_shapes
from i2pmae.projection.rasterise import project
from i2pmae.teachers.catalogue import TEACHERS
from i2pmae.teachers.loading import EMBEDDED_FOLDER, load_teacher
from i2pmae.teachers.vision import choose_precision


def rate(run: Callable[[], object], images: int, rounds: int, device: torch.device) -> str:
    # Processor time, because other programs may share the machine; it says nothing about a GPU.
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    run()
    seconds = []
    for _ in range(rounds):
        start = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - start)
    return f"{images / statistics.median(seconds):7.1f} ({images / min(seconds):.1f})"


def eager(name: str, precision: str, images: torch.Tensor) -> Callable[[], object]:
    """The same model through transformers' eager attention, all maps returned."""
    folder = EMBEDDED_FOLDER if name == "embedded" else TEACHERS[name].repository if name in TEACHERS else name
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    model = AutoModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    model = getattr(model, "vision_model", model).eval().to(images.device)
    pixels = images.expand(-1, 3, -1, -1).to(dtype)

    def run() -> object:
        with torch.no_grad():
            return model(pixel_values=pixels, output_attentions=True).attentions[-1].mean(1)[:, 0]

    return run


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teachers", nargs="*", default=["embedded"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    device = torch.device(options.device)
    clouds = torch.from_numpy(make_shapes(-(-options.images // 3), seed=1).points)
    images = project(clouds).images.flatten(0, 1)[: options.images, None].to(device)
    print(f"{device}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}; {options.images} depth maps,")
    print(
        f"{options.rounds} rounds: median (best) images per second; 'auto' here is {choose_precision('auto', device)}"
    )
    for name in options.teachers:
        exact = load_teacher(name, precision="fp32", device=device)(images)
        for precision in ("fp32", "bf16"):
            teacher = load_teacher(name, precision=precision, device=device)
            maps = teacher(images)
            apart = [float((a - b).norm() / b.norm()) for a, b in zip(maps, exact, strict=True)]
            speed = rate(lambda run=teacher: run(images), len(images), options.rounds, device)
            line = f"{name} {precision}: {speed}; error of features {apart[0]:.2%}, of saliency {apart[1]:.2%}"
            if teacher._family.attends and images.shape[-1] == teacher.image_size:
                slow = rate(eager(name, precision, images), len(images), options.rounds, device)
                line += f"; eager attention {slow}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
