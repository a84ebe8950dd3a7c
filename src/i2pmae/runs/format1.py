"""Records of the first format, which had four forms: of an evaluation, pre-training, a comparison, stage one."""

from collections.abc import Mapping
from typing import Any

from i2pmae.common.errors import UsageError

__all__ = ["upgrade"]

PROVENANCE = ("machine", "versions", "commit")
COUNTS = ("clouds", "steps", "training_seconds", "teacher_seconds")


def upgrade(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The fields of a record of this format from those of the first one; anything else comes back as it is.

    :class:`UsageError` names ``source`` where it looks like one and is none.
    """
    try:
        return _upgraded(values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{source} is not usable: fields of the first format are absent or mixed up ({error!r})."
        ) from None


def _upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    if "recipes" in values:
        return _comparison(values)
    if "probe" in values or "losses" in values:
        return _pretraining(values)
    if "figures" in values and "kind" not in values:
        return {"kind": "stage-one", "method": "point-bert", **_figures(values), **_shared(values)}
    return _evaluation(values) if "task" in values else dict(values)


def _shared(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in (*PROVENANCE, "seconds", "output") if name in values}


def _figures(values: Mapping[str, Any]) -> dict[str, Any]:
    watched = {f"metric/{name}": value for name, value in values.get("metrics", {}).items()}
    counts = {name: values[name] for name in COUNTS if name in values}
    return {"figures": {**counts, **values.get("losses", {}), **watched, **values.get("figures", {})}}


def _evaluation(values: Mapping[str, Any]) -> dict[str, Any]:
    """A probe, fine-tuning, segmentation or few-shot result."""
    rest = {name: value for name, value in values.items() if name not in ("task", "twin")}
    twin = values.get("twin")
    return {"kind": values["task"], **rest, "children": {} if twin is None else {"twin": _evaluation(twin)}}


def _pretraining(values: Mapping[str, Any]) -> dict[str, Any]:
    """A run of pre-training: the probe of its final weights, with that of the initial ones as its twin."""
    probe = values.get("probe") or {}
    trained = _evaluation(probe["trained"]) if "trained" in probe else {}
    twin = {"twin": _evaluation(probe["untrained"])} if "untrained" in probe else {}
    return {**trained, "kind": "pretrain", **_figures(values), **_shared(values), "children": twin}


def _comparison(values: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison: one child for each recipe, whose scores are those over the seeds."""
    children = {row["recipe"]: _compared(row, values) for row in values["recipes"]}
    seeds, data, protocol = (values.get(name) for name in ("seeds", "data", "protocol"))
    return {
        "kind": "compare",
        "seeds": seeds or (),
        "data": data or "",
        "protocol": protocol or "",
        "children": children,
        **_shared(values),
    }


def _compared(row: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    shared = {"method": row["method"], "recipe": row["recipe"], "seeds": whole.get("seeds", ())}
    shared |= {"primary": "accuracy", "data": whole.get("data", ""), "protocol": whole.get("protocol", "")}
    untrained = {"kind": "linear-probe", **shared, "scores": {"accuracy": row["untrained"]}}
    figures = {"training_seconds": row["seconds"], "epochs": row["epochs"], "clouds": row["clouds"]}
    return {
        "kind": "pretrain",
        **shared,
        "scores": {"accuracy": row["trained"]},
        "figures": figures,
        "children": {"twin": untrained},
    }
