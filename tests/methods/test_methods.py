"""The tasks of Point-M2AE, Point-MAE and Point-BERT: annealing, momentum, queue, mixtures, exact resume."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import TrainingInterrupted, UsageError
from i2pmae.methods import METHODS, recipes
from i2pmae.methods.config import METHOD_CONFIGS, MethodConfig, PretrainConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.point_bert.config import AnnealConfig, StageOneTraining
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.losses import contrast, mixed_contrast, uniform_divergence
from i2pmae.methods.point_bert.model import PointBERT
from i2pmae.methods.point_bert.stage_one import StageOne
from i2pmae.methods.point_bert.task import MomentumPair, PointBERTTask, mix
from i2pmae.methods.point_bert.vae_task import StageOneTask
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.methods.point_mae.task import PointMAETask
from i2pmae.training.engine import fit
from i2pmae.training.task import Losses
from tests.small import POINT_BERT, POINT_MAE, SMALL, VAE
from tests.training.small import settings, small_clouds

CLOUDS = small_clouds(24, 32)
WEIGHTS = ("words", "mixed_words", "contrast", "mixed_contrast")


def config(method: str = "point-bert") -> MethodConfig:
    model = {"i2p-mae": SMALL, "point-m2ae": SMALL, "point-mae": POINT_MAE, "point-bert": POINT_BERT}[method]
    return METHOD_CONFIGS[method](model=model)


def columns(losses: Losses) -> list[str]:
    return [loss.column(name) for name, loss in losses.items()]


def batch(count: int = 6) -> dict[str, torch.Tensor]:
    return {"points": torch.tensor(CLOUDS.points[:count]), "index": torch.arange(count)}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bert_task(seed: int = 0) -> PointBERTTask:
    torch.manual_seed(seed)
    return PointBERTTask(PointBERT(POINT_BERT), config(), StageOne(DiscreteVAE(VAE)), 24)


def test_annealing_is_half_a_cosine_after_a_delay() -> None:
    anneal = AnnealConfig(start=1.0, end=0.2, steps=10, delay=4)
    assert [anneal.at(step) for step in (0, 4, 9, 14, 500)] == pytest.approx([1, 1, 0.6, 0.2, 0.2])
    published = StageOneTraining()
    assert published.temperature.at(50_000) == pytest.approx((1 + 0.0625) / 2)
    assert published.temperature.at(100_000) == pytest.approx(0.0625)
    assert published.divergence.at(10_000) == 0
    assert published.divergence.at(60_000) == pytest.approx(0.05)
    assert published.divergence.at(110_000) == pytest.approx(0.1)


def test_stage_one_takes_temperature_and_weight_from_the_step() -> None:
    stage = StageOneTraining(
        temperature=AnnealConfig(start=1, end=0.5, steps=2), divergence=AnnealConfig(start=0, end=0.1, steps=2)
    )
    task = StageOneTask(DiscreteVAE(VAE).train(), stage, 24)
    losses = {}
    for step in (0, 2):
        task.begin(step)
        losses[step] = task.losses(batch(), rng())
    assert columns(losses[0]) == ["reconstruction", "divergence", "metric/temperature", "metric/vocabulary"]
    assert losses[0]["divergence"].weighted == 0 < losses[2]["divergence"].weighted
    assert (losses[0]["temperature"].value, losses[2]["temperature"].value) == (1.0, 0.5)
    assert 1 <= losses[0]["vocabulary"].value <= 12


def test_divergence_of_a_uniform_choice_is_zero() -> None:
    assert uniform_divergence(torch.zeros(2, 5, 8)) == pytest.approx(0, abs=1e-6)
    # Groups that are sure of different words are uniform on average.
    assert uniform_divergence(50 * torch.eye(8)[None]) == pytest.approx(0, abs=1e-5)
    assert uniform_divergence(50 * torch.eye(8)[:1].expand(1, 5, 8)) > 10


def test_the_follower_follows_slowly_and_is_not_trained() -> None:
    pair = MomentumPair(PointBERT(POINT_BERT), 0)
    assert not any(p.requires_grad for p in pair.follower.parameters())
    before = pair.follower.mask_token.clone()
    with torch.no_grad():
        pair.student.mask_token.add_(1)
    pair.follow()
    torch.testing.assert_close(pair.follower.mask_token - before, torch.full_like(before, 0.001), rtol=1e-3, atol=1e-6)


def test_the_queue_keeps_the_latest_keys() -> None:
    pair = MomentumPair(PointBERT(POINT_BERT), 0)
    torch.testing.assert_close(pair.queue.norm(dim=1), torch.ones(20))
    assert torch.equal(pair.queue, MomentumPair(PointBERT(POINT_BERT), 0).queue)
    keys = torch.arange(50.0)[:, None].expand(-1, 8)
    for first in range(0, 28, 7):
        pair.enqueue(keys[first : first + 7])
    assert sorted(pair.queue[:, 0].tolist()) == list(range(8, 28))
    pair.enqueue(keys)
    assert sorted(pair.queue[:, 0].tolist()) == list(range(30, 50))


def test_contrast_prefers_the_own_key() -> None:
    keys, queue = torch.eye(8)[:4], torch.eye(8)[4:]
    assert contrast(keys, keys, queue, 0.07) < 1e-4
    assert contrast(keys, keys.flip(0), queue, 0.07) == pytest.approx(np.log(5), abs=1e-4)
    partner, share = torch.arange(4).flip(0), torch.tensor([1.0, 0.0, 0.0, 1.0])
    mixed = torch.where(share.bool()[:, None], keys, keys[partner])
    assert mixed_contrast(mixed, keys, queue, 0.07, share, partner) < 1e-4
    assert mixed_contrast(mixed, keys, queue, 0.07, 1 - share, partner) == pytest.approx(1 / 0.07, rel=1e-3)


def test_a_mixture_takes_whole_groups_with_their_words() -> None:
    model = PointBERT(POINT_BERT)
    hierarchy = model.tokenise(batch(5)["points"])
    words = torch.arange(5)[:, None].expand(-1, 16)
    mixture = mix(hierarchy, words, rng())
    own = mixture.words == torch.arange(5)[:, None]
    assert torch.equal(mixture.words, torch.where(own, words, words.flip(0)))
    for name in ("centres", "offsets"):
        whole, mixed = getattr(hierarchy[0], name), getattr(mixture.hierarchy[0], name)
        assert torch.equal(mixed[own], whole[own]) and torch.equal(mixed[~own], whole.flip(0)[~own])
    assert 0 < own[[0, 1, 3, 4]].float().mean() < 1
    shares = [mix(hierarchy, words, rng(seed)) for seed in range(400)]
    drawn = torch.stack([(one.words == words).float().mean(1)[0] - one.share[0] for one in shares])
    assert drawn.mean() == pytest.approx(0, abs=0.02)


def test_stage_two_leaves_the_vae_alone_and_starts_with_its_embedding() -> None:
    task = bert_task()
    frozen = task.stage_one.vae
    vae = {name: value.clone() for name, value in frozen.state_dict().items()}
    for name, value in frozen.embedding.state_dict().items():
        assert torch.equal(value, task.model.student.encoder.embedding.state_dict()[name])
    task.model.train()
    losses = task.losses(batch(), rng())
    assert columns(losses) == ["words", "contrast", "mixed_words", "mixed_contrast", "metric/word_accuracy"]
    sum(losses[name].weighted for name in WEIGHTS).backward()
    assert all(torch.equal(vae[name], value) for name, value in frozen.state_dict().items())
    assert all(p.grad is not None and p.grad.any() for p in task.model.student.parameters())
    assert int(task.model.place) == 6
    assert not any(name.startswith("vae") for name in task.model.state_dict())


@pytest.mark.parametrize("stops", [(1,), (2, 5)])
def test_stage_two_resumes_exactly(tmp_path: Path, stops: tuple[int, ...]) -> None:
    chosen = settings(optimiser={"accumulate": 2}, batch_size=4, epochs=3)
    whole = fit(bert_task(), CLOUDS, chosen, tmp_path / "whole", shown=False)
    assert whole.steps == 9
    for stop in stops:
        with pytest.raises(TrainingInterrupted):
            fit(_Stopping(bert_task(), stop), CLOUDS, chosen, tmp_path / "parts", resume=True, shown=False)
    parts = fit(bert_task(), CLOUDS, chosen, tmp_path / "parts", resume=True, shown=False)
    assert parts.first_step == stops[-1]
    first, second = whole.task.model.state_dict(), parts.task.model.state_dict()
    assert {"queue", "place", "follower.mask_token"} <= first.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["follower.mask_token"], first["student.mask_token"])


class _Stopping(PointBERTTask):
    """Asks for a stop in the midst of a step."""

    def __init__(self, task: PointBERTTask, stop: int) -> None:
        self.__dict__ |= task.__dict__
        self.stop = stop

    def begin(self, step: int) -> None:
        super().begin(step)
        if step == self.stop - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_point_m2ae_needs_no_teacher() -> None:
    task = PointM2AETask(I2PMAE(SMALL).train(), config("point-m2ae"), 24)
    assert list(task.losses(batch(), rng())) == ["coordinates"]


def test_random_masks_are_the_same_with_and_without_a_teacher() -> None:
    task = I2PMAETask(I2PMAE(SMALL), config("i2p-mae").changed({"guidance.kind": "random"}), None)
    hierarchy = task.model.tokenise(batch()["points"])
    with_saliency = task.choose_visible(torch.rand(6, 4, generator=rng(1)), hierarchy, rng())
    without = task.choose_visible(None, hierarchy, rng())
    assert all(torch.equal(a, b) for a, b in zip(with_saliency, without, strict=True))


@pytest.mark.parametrize("kind", ["random", "block"])
def test_point_mae_masks_as_many_tokens_of_every_cloud(kind: str) -> None:
    model = PointMAE(POINT_MAE.changed(mask_kind=kind)).train()
    task = PointMAETask(model, config("point-mae"), 24)
    visible = task.choose_visible(model.tokenise(batch()["points"]), rng())
    assert visible.sum(1).tolist() == [7] * 6
    assert list(task.losses(batch(), rng())) == ["coordinates"]


def test_the_method_decides_what_the_model_is() -> None:
    for method in METHODS:
        whole = PretrainConfig.from_dict({"method": method})
        assert type(whole.method) is METHODS[method].Config
        assert type(whole.method.model) is METHODS[method].sizes
        assert PretrainConfig.from_yaml(whole.to_yaml()) == whole


def test_random_masks_without_semantics_need_no_teacher() -> None:
    method = PretrainConfig.from_dict({"method": "i2p-mae"}).method
    assert method.needs_teacher
    assert not method.changed({"guidance.kind": "random", "loss.semantics": 0}).needs_teacher


@pytest.mark.parametrize(
    ("method", "values", "says"),
    [
        ("point-mae", {"model": {"headz": 2}}, "model.headz: no such field. Did you mean .*'heads'"),
        ("point-mae", {"model": {"group_counts": [8, 4]}}, "model.group_counts: no such field"),
        ("point-mae", {"guidance": {"kind": "paper"}}, "method.guidance: no such field"),
        ("point-m2ae", {"loss": {"semantics": 0.5}}, "method.loss: no such field"),
        ("point-bart", {}, "'point-bert'"),
        ("i2p-mae", {"bert": {}}, "method.bert: no such field"),
        ("i2p-mae", {"pooling": "class|max"}, "set model.class_token"),
        ("i2p-mae", {"teacher": "embeded"}, "Did you mean 'embedded'"),
        ("point-bert", {"bert": dict.fromkeys(WEIGHTS, 0)}, "at least one of words, mixed_words"),
        ("point-bert", {"bert": {"vae": {"temperature": {"start": 1, "end": 0}}}}, "stay above 0"),
    ],
)  # fmt: skip
def test_configurations_that_do_not_fit_are_explained(method: str, values: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PretrainConfig.from_dict({"method": {"name": method, **values}})


def test_clouds_must_have_a_point_for_every_token() -> None:
    with pytest.raises(UsageError, match="too small for the 64 tokens"):
        PretrainConfig.from_dict({"method": "point-mae", "data": {"points": 40}})


def test_a_configuration_is_changed_by_short_names_and_checked() -> None:
    config = recipes()["tiny"]().changed({"guidance.kind": "paper"}, data="my/scans", epochs=3, output="runs/x", seed=4)
    assert (config.data.source, config.data.points) == ("my/scans", 1024)
    assert (config.training.epochs, config.training.seed) == (3, 4)
    assert config.output.folder == Path("runs/x") and config.method.guidance.kind == "paper"
    with pytest.raises(UsageError, match="Did you mean 'epochs'"):
        config.changed(epoch=3)
    with pytest.raises(UsageError, match=r"training\.epochs"):
        config.changed(epochs="two")


def test_flat_configurations_of_the_first_format_are_read() -> None:
    old = {
        "recipe": "tiny", "method": "i2p-mae", "data": "scans", "output": "runs/x", "teacher": "embedded", "epochs": 6,
        "batch_size": 32, "seed": 1, "cache_teacher": True, "fraction": 0.5, "pooling": None, "bert": None,
        "clouds": {"points": 512, "up": "z", "workers": 2}, "model": {"group_counts": [256, 128, 32]},
    }  # fmt: skip
    config = PretrainConfig.from_dict(old)
    assert (config.data.source, config.data.points, config.data.up, config.data.fraction) == ("scans", 512, "z", 0.5)
    assert (config.training.epochs, config.training.loaders, config.training.seed) == (6, 2, 1)
    assert config.method.cache_teacher and config.method.model.group_counts == (256, 128, 32)
    assert PretrainConfig.from_yaml(config.to_yaml()) == config
    mae = PretrainConfig.from_dict({"method": "point-mae", "epochs": 2, "loss": {"semantics": 0}, "output": "runs/y"})
    assert (mae.method.name, mae.training.epochs, mae.output.folder) == ("point-mae", 2, Path("runs/y"))
    with pytest.raises(UsageError, match="epoch: no such field"):
        PretrainConfig.from_dict(old | {"epoch": 3})
