"""The tasks of Point-M2AE, Point-MAE and Point-BERT: annealing, momentum, queue, mixtures, exact resume."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import TrainingInterrupted, UsageError
from i2pmae.models import I2PMAE, DiscreteVAE, PointBERT, PointMAE
from i2pmae.objectives import contrast, mixed_contrast, uniform_divergence
from i2pmae.training.config import AnnealConfig, BERTConfig, DataConfig, DiscreteVAETraining, PretrainConfig
from i2pmae.training.discrete_vae import DiscreteVAEPretraining
from i2pmae.training.engine import fit
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.point_bert import MomentumPair, PointBERTPretraining, mix
from i2pmae.training.point_mae import PointMAEPretraining
from tests.small import POINT_BERT, POINT_MAE, SMALL, VAE
from tests.training.small import settings, small_clouds

CLOUDS = small_clouds(24, 32)
WEIGHTS = ("words", "mixed_words", "contrast", "mixed_contrast")


def config(method: str = "point-bert", **changes: object) -> PretrainConfig:
    model = {"point-m2ae": SMALL, "point-mae": POINT_MAE, "point-bert": POINT_BERT}[method]
    return PretrainConfig(**{"method": method, "model": model, "clouds": DataConfig(points=24)} | changes)


def batch(count: int = 6) -> dict[str, torch.Tensor]:
    return {"points": torch.tensor(CLOUDS.points[:count]), "index": torch.arange(count)}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bert_task(seed: int = 0) -> PointBERTPretraining:
    torch.manual_seed(seed)
    return PointBERTPretraining(PointBERT(POINT_BERT), DiscreteVAE(VAE), config())


def test_annealing_is_half_a_cosine_after_a_delay() -> None:
    anneal = AnnealConfig(start=1.0, end=0.2, steps=10, delay=4)
    assert [anneal.at(step) for step in (0, 4, 9, 14, 500)] == pytest.approx([1, 1, 0.6, 0.2, 0.2])
    published = DiscreteVAETraining()
    assert published.temperature.at(50_000) == pytest.approx((1 + 0.0625) / 2)
    assert published.temperature.at(100_000) == pytest.approx(0.0625)
    assert published.divergence.at(10_000) == 0
    assert published.divergence.at(60_000) == pytest.approx(0.05)
    assert published.divergence.at(110_000) == pytest.approx(0.1)


def test_stage_one_takes_temperature_and_weight_from_the_step() -> None:
    stage = config(bert=BERTConfig(vae=DiscreteVAETraining(
        temperature=AnnealConfig(start=1, end=0.5, steps=2), divergence=AnnealConfig(start=0, end=0.1, steps=2)
    ))).vae_stage  # fmt: skip
    task = DiscreteVAEPretraining(DiscreteVAE(VAE).train(), stage)
    losses = {}
    for step in (0, 2):
        task.begin(step)
        losses[step] = task.losses(batch(), rng())
    assert list(losses[0]) == ["reconstruction", "divergence", "metric/temperature", "metric/vocabulary"]
    assert losses[0]["divergence"] == 0 < losses[2]["divergence"]
    assert (losses[0]["metric/temperature"], losses[2]["metric/temperature"]) == (1.0, 0.5)
    assert 1 <= losses[0]["metric/vocabulary"] <= 12


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
    vae = {name: value.clone() for name, value in task.vae.state_dict().items()}
    for name, value in task.vae.embedding.state_dict().items():
        assert torch.equal(value, task.model.student.encoder.embedding.state_dict()[name])
    task.model.train()
    losses = task.losses(batch(), rng())
    assert list(losses) == ["words", "contrast", "mixed_words", "mixed_contrast", "metric/word_accuracy"]
    sum(losses.values()).backward()
    assert all(torch.equal(vae[name], value) for name, value in task.vae.state_dict().items())
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


class _Stopping(PointBERTPretraining):
    """Asks for a stop in the midst of a step."""

    def __init__(self, task: PointBERTPretraining, stop: int) -> None:
        self.__dict__ |= task.__dict__
        self.stop = stop

    def begin(self, step: int) -> None:
        super().begin(step)
        if step == self.stop - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_point_m2ae_needs_no_teacher() -> None:
    task = I2PPretraining(I2PMAE(SMALL).train(), None, config("point-m2ae"))
    assert list(task.losses(batch(), rng())) == ["coordinates"]


def test_random_masks_are_the_same_with_and_without_a_teacher() -> None:
    task = I2PPretraining(I2PMAE(SMALL), None, config("point-m2ae"))
    hierarchy = task.model.tokenise(batch()["points"])
    with_saliency = task.choose_visible(torch.rand(6, 4, generator=rng(1)), hierarchy, rng())
    without = task.choose_visible(None, hierarchy, rng())
    assert all(torch.equal(a, b) for a, b in zip(with_saliency, without, strict=True))


@pytest.mark.parametrize("kind", ["random", "block"])
def test_point_mae_masks_as_many_tokens_of_every_cloud(kind: str) -> None:
    model = PointMAE(POINT_MAE.model_copy(update={"mask_kind": kind})).train()
    task = PointMAEPretraining(model, config("point-mae"))
    visible = task.choose_visible(model.tokenise(batch()["points"]), rng())
    assert visible.sum(1).tolist() == [7] * 6
    assert list(task.losses(batch(), rng())) == ["coordinates"]


def test_the_method_decides_what_the_model_is() -> None:
    assert PretrainConfig.from_dict({}).method == "i2p-mae"
    for method in ("i2p-mae", "point-m2ae", "point-mae", "point-bert"):
        whole = PretrainConfig.from_dict({"method": method})
        assert PretrainConfig.from_yaml(whole.to_yaml()) == whole
        assert whole.needs_teacher == (method == "i2p-mae")
        assert (whole.bert is not None) == (method == "point-bert")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"method": "point-mae", "model": {"headz": 2}}, "model.headz: no such field. Did you mean .*'heads'"),
        ({"method": "point-mae", "model": {"group_counts": [8, 4]}}, "model.group_counts: no such field"),
        ({"method": "point-mae", "guidance": {"kind": "paper"}}, "Point-MAE has no 2D teacher"),
        ({"method": "point-m2ae", "loss": {"semantics": 0.5}}, "Point-M2AE has no 2D teacher"),
        ({"method": "point-bart"}, "'point-bert'"),
        ({"bert": {}}, "belongs to the method point-bert"),
        ({"pooling": "class|max"}, "which I2P-MAE has not"),
        ({"method": "point-mae", "clouds": {"points": 40}}, "too small for the 64 tokens"),
        ({"method": "point-bert", "bert": dict.fromkeys(WEIGHTS, 0)}, "at least one of words, mixed_words"),
        ({"method": "point-bert", "bert": {"vae": {"temperature": {"start": 1, "end": 0}}}}, "stay above 0"),
    ],
)  # fmt: skip
def test_configurations_that_do_not_fit_are_explained(values: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PretrainConfig.from_dict(values)


def test_the_model_of_another_method_is_refused() -> None:
    with pytest.raises(UsageError, match="point-mae needs a PointMAEConfig, not a I2PMAEConfig"):
        PretrainConfig.from_dict({"method": "point-mae", "model": SMALL})
