"""The script that makes the embedded teacher, on a teacher small enough for seconds."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers

from i2pmae.teachers.loading import EMBEDDED_FOLDER, load_teacher

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def scripts() -> Iterator[tuple[ModuleType, ModuleType]]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import distil_images
        import distil_teacher

        yield distil_images, distil_teacher
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture
def small_teacher(tmp_path: Path) -> Path:
    config = transformers.ViTConfig(
        hidden_size=24, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, patch_size=32
    )
    torch.manual_seed(0)
    model = transformers.ViTModel(config, add_pooling_layer=False)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(tmp_path / "teacher")
    processing = json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 224})
    (tmp_path / "teacher" / "preprocessor_config.json").write_text(processing)
    return tmp_path / "teacher"


def test_images_are_images_and_follow_from_the_generator(scripts: tuple[ModuleType, ModuleType]) -> None:
    pool = scripts[0].superquadrics(10, 512, torch.Generator().manual_seed(0))
    made = [scripts[0].make_images(8, pool, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert made[0].shape == (8, 3, 224, 224) and made[0].dtype == torch.float32
    assert made[0].min() >= 0 and made[0].max() <= 1
    assert made[0].flatten(1).std(1).min() > 1e-3, "an image is blank"
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=0)
    assert not torch.equal(made[0], made[2])


def test_rotations_are_rotations(scripts: tuple[ModuleType, ModuleType]) -> None:
    turns = scripts[0].rotations(20, torch.Generator().manual_seed(0))
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(20, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(turns.det(), torch.ones(20))


def test_a_student_with_all_layers_equals_its_teacher(
    scripts: tuple[ModuleType, ModuleType], small_teacher: Path
) -> None:
    script = scripts[1]
    teacher = transformers.ViTModel.from_pretrained(
        small_teacher, add_pooling_layer=False, attn_implementation=script.register()
    ).eval()
    student = script.make_student(teacher, (0, 1, 2, 3)).eval()
    images = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        seen, aim = script.look(student, images), script.look(teacher, images)
    errors = script.losses(seen, aim, (0, 1, 2, 3), torch.ones(24))
    assert {name: round(float(error), 6) for name, error in errors.items()} == dict.fromkeys(errors, 0)
    close = script.measure(student, teacher, images)
    assert close == pytest.approx(dict.fromkeys(close, 1.0), abs=1e-5)


@pytest.mark.slow
def test_it_learns_and_writes_a_teacher(
    scripts: tuple[ModuleType, ModuleType], small_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few_clouds(count: int, split: str, seed: int) -> torch.Tensor:
        return scripts[0].superquadrics(10, 512, torch.Generator().manual_seed(seed + len(split)))

    monkeypatch.setattr(scripts[1], "built_in_clouds", few_clouds)

    def distil(output: Path) -> dict:
        options = scripts[1].Options(
            small_teacher,
            output,
            steps=20,
            batch=5,
            layers=(0, 3),
            held_out=8,
            learning_rate=2e-3,
            bf16=False,
        )
        return scripts[1].Distillation(options).run()

    record = distil(tmp_path / "student")
    before, after = record["held_out_before"], record["held_out_after"]
    assert after["feature_r2"] > before["feature_r2"] + 0.02
    assert after["saliency_correlation"] > before["saliency_correlation"]
    assert json.loads((tmp_path / "student" / "distillation.json").read_text()) == json.loads(json.dumps(record))
    student = load_teacher(tmp_path / "student", precision="fp32")
    assert (student.feature_dim, student.grid_size) == (24, 7)
    distil(tmp_path / "again")
    assert load_teacher(tmp_path / "again", precision="fp32").fingerprint() == student.fingerprint()


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    assert (EMBEDDED_FOLDER / "model.safetensors").stat().st_size <= 6_000_000
    record = json.loads((EMBEDDED_FOLDER / "distillation.json").read_text())
    assert record["parameters"] <= 3_000_000 and record["steps"] > 0
    assert record["held_out_after"]["feature_r2"] > record["held_out_before"]["feature_r2"]
