"""Distil a small ViT, the embedded teacher, from a pre-trained ViT on images made by ``distil_images.py``.

    python scripts/distil_teacher.py --teacher FOLDER --output FOLDER --minutes 30

FOLDER of the teacher is a Hugging Face ViT (``config.json``, ``model.safetensors``, ``preprocessor_config.json``). The
student has the teacher's width, a subset of its layers and starts from their weights. It learns the teacher's last
tokens, its hidden states between the kept layers, and the last attention row of [CLS]. The output is a folder of the
same kind in half precision, with ``distillation.json``: what was done and how close the student came.
"""

import json
import math
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from distil_images import built_in_clouds, make_images
from transformers import ViTModel

from i2pmae.common.files import write_text
from i2pmae.common.progress import console
from i2pmae.common.seeds import torch_generator
from i2pmae.teachers.attention import listening, register
from i2pmae.typing import Float, Tensor


@dataclass(frozen=True)
class Options:
    """How to distil."""

    teacher: Path
    """Hugging Face folder of the ViT to learn from."""
    output: Path
    """Folder for the student."""
    minutes: float = 30.0
    """Time to train for: the learning rate follows the clock."""
    steps: int | None = None
    """Number of steps, instead of a time: a run that can be repeated exactly."""
    seed: int = 0
    """Decides every image."""
    batch: int = 16
    """Images per step."""
    layers: tuple[int, ...] = (0, 2, 4, 6, 8, 11)
    """Which of the teacher's layers the student starts from."""
    learning_rate: float = 6e-4
    """Peak learning rate of AdamW, after a warm-up over a twentieth of the run; then a cosine to zero."""
    weight_decay: float = 0.02
    """Weight decay of AdamW on matrices."""
    hidden_weight: float = 0.3
    """Weight of the hidden states between the layers."""
    threads: int = 1
    """CPU threads; one is the most efficient where others use the machine too."""
    bf16: bool = True
    """Multiply matrices in bf16 (autocast)."""
    held_out: int = 256
    """Images to measure on, of other shapes."""
    pool: int = 1408
    """Built-in clouds to draw depth maps of."""
    checkpoint_minutes: float = 5.0
    """Time between writes of the student so far."""


@dataclass(frozen=True)
class Views:
    """What a ViT says about images."""

    tokens: Float[Tensor, "b t c"]
    """All tokens after the final LayerNorm."""
    attention: Float[Tensor, "b t"]
    """Attention of [CLS] in the last layer, mean over heads."""
    hidden: tuple[Float[Tensor, "b t c"], ...]
    """Tokens before the first layer and after each layer."""


def look(model: ViTModel, images: Float[Tensor, "b 3 h w"], bf16: bool = False) -> Views:
    """The model's view of normalised images, in float32 whatever the arithmetic of its matrices."""
    with listening() as heard, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = model(pixel_values=images, output_hidden_states=True)
    return Views(out.last_hidden_state.float(), heard.row(), tuple(state.float() for state in out.hidden_states))


def make_student(teacher: ViTModel, layers: tuple[int, ...]) -> ViTModel:
    """A ViT with the teacher's embeddings, final LayerNorm and chosen layers."""
    config = type(teacher.config).from_dict(teacher.config.to_dict())
    config.num_hidden_layers = len(layers)
    config._attn_implementation = teacher.config._attn_implementation
    student = ViTModel(config, add_pooling_layer=False)
    student.embeddings.load_state_dict(teacher.embeddings.state_dict())
    student.layernorm.load_state_dict(teacher.layernorm.state_dict())
    for mine, index in zip(blocks(student), layers, strict=True):
        mine.load_state_dict(blocks(teacher)[index].state_dict())
    return student


def blocks(model: ViTModel) -> torch.nn.ModuleList:
    """The transformer layers, wherever this version of transformers keeps them."""
    return next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList))


def losses(student: Views, teacher: Views, layers: tuple[int, ...], deviation: Tensor) -> dict[str, Tensor]:
    """The errors to minimise.

    ``tokens``: squared error of the last tokens, each channel in units of the teacher's deviation (1 − R²).
    ``attention``: Kullback-Leibler divergence of the [CLS] row. ``hidden``: squared error of the states that the next
    kept layer receives, in units of the teacher's variance.
    """
    ends = [following - 1 for following in layers[1:]]
    hidden = [
        F.mse_loss(student.hidden[mine + 1], teacher.hidden[end + 1]) / teacher.hidden[end + 1].var()
        for mine, end in enumerate(ends)
    ]
    target = teacher.attention.clamp_min(1e-9)
    divergence = (target * (target.log() - student.attention.clamp_min(1e-9).log())).sum(1).mean()
    return {
        "tokens": (((student.tokens - teacher.tokens) / deviation) ** 2).mean(),
        "attention": divergence,
        "hidden": torch.stack(hidden).mean() if hidden else divergence.new_zeros(()),
    }


@torch.no_grad()
def measure(student: ViTModel, teacher: ViTModel, images: Float[Tensor, "b 3 h w"]) -> dict[str, float]:
    """How close the student is on ``images`` (normalised): R² and cosine of the patch tokens about the teacher's
    channel means, and the correlation of the saliency maps."""
    mine, theirs, my_rows, their_rows = [], [], [], []
    for part in images.split(32):
        seen, aim = look(student, part), look(teacher, part)
        mine.append(seen.tokens[:, 1:])
        theirs.append(aim.tokens[:, 1:])
        my_rows.append(seen.attention[:, 1:])
        their_rows.append(aim.attention[:, 1:])
    got, wanted = torch.cat(mine).flatten(0, 1), torch.cat(theirs).flatten(0, 1)
    mean = wanted.mean(0)
    rows, goal = (torch.cat(maps) - torch.cat(maps).mean(1, keepdim=True) for maps in (my_rows, their_rows))
    return {
        "feature_r2": 1 - float((got - wanted).square().sum() / (wanted - mean).square().sum()),
        "feature_cosine": float(F.cosine_similarity(got - mean, wanted - mean).mean()),
        "saliency_correlation": float(F.cosine_similarity(rows, goal).mean()),
    }


def groups(model: ViTModel, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: decay on matrices, none on biases, norms and tokens."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim > 1 and "token" not in name and "position" not in name]
    chosen = {id(p) for p in matrices}
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": [p for _, p in named if id(p) not in chosen], "weight_decay": 0.0},
    ]


def write(student: ViTModel, processing: dict[str, Any], record: dict[str, Any], output: Path) -> None:
    """The student in half precision as a Hugging Face folder, with the record of the run."""
    half = {name: tensor.detach().half() for name, tensor in student.state_dict().items()}
    copy = ViTModel(student.config, add_pooling_layer=False).half()
    copy.load_state_dict(half)
    output.mkdir(parents=True, exist_ok=True)
    copy.save_pretrained(output)
    for path in output.glob("*.safetensors"):
        path.chmod(0o644)  # written readable by its owner alone, which an installed package must not be
    write_text(output / "preprocessor_config.json", json.dumps(processing, indent=1) + "\n")
    write_text(output / "distillation.json", json.dumps(record, indent=1) + "\n")


class Distillation:
    """A student on its way."""

    def __init__(self, options: Options) -> None:
        self.options = options
        read = {"dtype": torch.float32, "attn_implementation": register(), "add_pooling_layer": False}
        self.teacher = ViTModel.from_pretrained(options.teacher, **read).eval().requires_grad_(False)
        self.processing = json.loads((options.teacher / "preprocessor_config.json").read_text(encoding="utf-8"))
        self.student = make_student(self.teacher, options.layers)
        self.optimiser = torch.optim.AdamW(groups(self.student, options.weight_decay), betas=(0.9, 0.98))
        self.pool = built_in_clouds(options.pool, "train", options.seed)
        self.held_out = self.images(options.held_out, built_in_clouds(352, "val", options.seed), "held out")
        with torch.no_grad():
            tokens = torch.cat([look(self.teacher, part).tokens for part in self.held_out.split(32)])
        self.deviation = tokens.flatten(0, 1).std(0)

    def images(self, count: int, pool: Float[Tensor, "p n 3"], *names: int | str) -> Float[Tensor, "b 3 h w"]:
        """Fresh images that follow from the seed and the names, normalised as the teacher wants them."""
        images = make_images(count, pool, torch_generator(self.options.seed, *names))
        mean, std = (torch.tensor(self.processing[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
        return (images - mean) / std

    def step(self, index: int, rate: float) -> dict[str, float]:
        """One optimiser step at a learning rate; the errors before it."""
        options = self.options
        images = self.images(options.batch, self.pool, "train", index)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.student.train()
        with torch.no_grad():
            aim = look(self.teacher, images, options.bf16)
        errors = losses(look(self.student, images, options.bf16), aim, options.layers, self.deviation)
        total = errors["tokens"] + errors["attention"] + options.hidden_weight * errors["hidden"]
        self.optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        return {name: float(error.detach()) for name, error in errors.items()}

    def run(self) -> dict[str, Any]:
        """Train, write the student now and then and at the end, and return the record."""
        options, say = self.options, console().print
        before = measure(self.student.eval(), self.teacher, self.held_out)
        say(f"before: {before}")
        start = written = now = time.perf_counter()
        smooth: dict[str, float] = {}
        done = 0
        while (progress := self.progress(done, now - start)) < 1:
            rate = options.learning_rate * min((progress + 0.002) / 0.05, 0.5 + 0.5 * math.cos(math.pi * progress))
            errors = self.step(done, rate)
            smooth = {name: 0.98 * smooth.get(name, value) + 0.02 * value for name, value in errors.items()}
            done += 1
            now = time.perf_counter()
            if done % 50 == 0:
                text = ", ".join(f"{name} {value:.4f}" for name, value in smooth.items())
                say(f"{progress:4.0%}, step {done}, {(now - start) / 60:.1f} min: {text}")
            if now - written > 60 * options.checkpoint_minutes:
                self.finish(done, now - start, before)
                written = now
        return self.finish(done, now - start, before)

    def progress(self, done: int, seconds: float) -> float:
        """The share of the run that is over, by steps or by the clock."""
        return done / self.options.steps if self.options.steps else seconds / (60 * self.options.minutes)

    def finish(self, done: int, seconds: float, before: dict[str, float]) -> dict[str, Any]:
        """Measure and write the student as it is; the record."""
        after = measure(self.student.eval(), self.teacher, self.held_out)
        chosen = {name: value for name, value in asdict(self.options).items() if name not in ("teacher", "output")}
        record = {
            "teacher": self.options.teacher.resolve().name,
            "parameters": sum(p.numel() for p in self.student.parameters()),
            "options": chosen,
            "steps": done,
            "images_seen": done * self.options.batch,
            "minutes": round(seconds / 60, 1),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
            "torch": torch.__version__,
            "held_out_before": before,
            "held_out_after": after,
        }
        write(self.student, self.processing, record, self.options.output)
        console().print(f"after {done} steps: {after}")
        return record


def main() -> None:
    """Distil as the command line says."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    print(json.dumps(Distillation(options).run(), indent=1))


if __name__ == "__main__":
    main()
