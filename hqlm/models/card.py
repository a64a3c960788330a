"""The model card of a saved model: its components, its results, and how to train it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from hqlm.models.text_model import TextModel

_SLOTS: Final = ("text_encoder", "head", "feature_encoder", "feature_map", "reuploading", "ansatz", "backend")

Titles = Mapping[str, tuple[str, str]]  # metric: (name on the hub, title)

_TEMPLATE: Final = """---
{front}
---

# {name}

A text classifier of hqlm {version} (hybrid quantum language models; the head is that of
[arXiv:2504.08732](https://arxiv.org/abs/2504.08732) and its variants): {head} with {total} trainable
parameters{counts}, for the classes {classes}.

## Use

```python
from hqlm.models import {kind}

model = {kind}.from_pretrained("{name}")  # this folder, or the id of its repository on the hub
print(model.predict(["a gorgeous, witty film"]))
```

## Parts

| part | component |
| --- | --- |
{parts}

The file `config.json` has all of their options.

## Measured

{measured}
{made}"""


def model_card(model: TextModel, name: str, options: Mapping[str, Any]) -> str:
    """Return Markdown with YAML front matter, in the hub's format.

    Args:
        model: trained model; results are read from its `run_folder`.
        name: name of the model.
        options: its settings as primitives.
    """
    counts = model.parameter_counts()
    rows = list(_read_results(model))
    titles = model.task.metric_titles
    recipes = {**options, **(options["head"].get("init_args") or {})}
    config = _text(model.run_folder, "config.yaml")
    of_kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    assert model.class_names is not None
    return _TEMPLATE.format(
        front=_front_matter(name, options, rows, titles, config),
        name=name,
        version=metadata.version("hqlm"),
        kind=type(model).__name__,
        head=_name(options["head"]),
        total=sum(counts.values()),
        counts=f" ({of_kinds})" if of_kinds else "",
        classes=", ".join(f"`{each}`" for each in model.class_names),
        parts="\n".join(f"| {slot} | {_component(recipes[slot])} |" for slot in _SLOTS if recipes.get(slot)),
        measured=_table(rows, titles),
        made=_describe_training(model.run_folder, config),
    )


def _read_results(model: TextModel) -> Iterator[tuple[str, str, float]]:
    """Yield (split, metric, value) of a checkpoint: from its validation, and its last test with the run's settings."""
    run, checkpoint, score = model.run_folder, model.checkpoint, model.score.replace("/", "_")
    if run is None or checkpoint is None:
        return
    summary = json.loads(_text(run, "summary.json") or "{}")
    if Path(summary.get("checkpoint") or "").name == checkpoint.name and summary[score] is not None:
        yield "val", model.task.score, summary[score]
    trained = _settings(_text(run, "config.yaml")) | {"checkpoint": checkpoint.name}
    tests = sorted(run.glob("test-*/metrics.json"), key=lambda file: file.stat().st_mtime)
    same = [file for file in tests if _settings(_text(file.parent, "config.yaml")) == trained]
    for key, value in json.loads(same[-1].read_text(encoding="utf-8")).items() if same else ():
        split, _, metric = key.partition("/")
        if metric in model.task.metric_titles:
            yield split, metric, value


def _settings(config: str) -> dict[str, Any]:
    """Return the settings that a test must share with its training run: data, model as configured, checkpoint."""
    found = yaml.safe_load(config) or {}
    options = (found.get("model") or {}).get("init_args") or {}
    for learned in ("class_names", "embedding_dim"):
        options.pop(learned, None)
    return {
        "model": found.get("model"),
        "data": found.get("data"),
        "checkpoint": Path(found.get("ckpt_path") or "").name,
    }


def _front_matter(
    name: str, options: Mapping[str, Any], rows: list[tuple[str, str, float]], titles: Titles, config: str
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    data = (yaml.safe_load(config) or {}).get("data") or {}
    kind_of_data, source = _name(data), _component(data)
    results = [
        EvalResult("text-classification", kind_of_data, source, kind, value, dataset_split=split, metric_name=title)
        for split, (kind, title), value in ((split, titles[metric], value) for split, metric, value in rows)
    ]
    body = options["text_encoder"].get("init_args", {}).get("model", "")
    data_of_card = ModelCardData(
        model_name=name,
        eval_results=results or None,
        library_name="hqlm",
        pipeline_tag="text-classification",
        tags=["hqlm", "quantum-machine-learning"],
        base_model=body if body.count("/") == 1 and "{" not in body else None,
        metrics=sorted({titles[metric][0] for _, metric, _ in rows}) or None,
    )
    return str(data_of_card.to_yaml())


def _name(recipe: Mapping[str, Any]) -> str:
    return str(recipe.get("class_path", "unknown")).rpartition(".")[2]


def _component(recipe: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in (recipe.get("init_args") or {}).items() if not isinstance(value, dict | list)}
    return f"{_name(recipe)}({', '.join(f'{key}={value}' for key, value in plain.items() if value is not None)})"


def _table(rows: list[tuple[str, str, float]], titles: Titles) -> str:
    if not rows:
        return "Nothing was measured in a run that this model was loaded from."
    lines = [f"| {split} | {titles[metric][1]} | {value:.4f} |" for split, metric, value in rows]
    return "\n".join(["| split | metric | value |", "| --- | --- | --- |", *lines])


def _describe_training(run: Path | None, config: str) -> str:
    if run is None or not config:
        return ""
    summary = json.loads(_text(run, "summary.json") or "{}")
    facts = [f"{key} {summary[key]}" for key in ("epochs", "seed", "training_seconds") if summary.get(key) is not None]
    return f"""
## Training

`hqlm fit --config config.yaml` with this `config.yaml` ({", ".join(facts)}):

```yaml
{config.strip()}
```
"""


def _text(folder: Path | None, name: str) -> str:
    """Return the text of a file of a run; empty if there is none."""
    path = None if folder is None else folder / name
    return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
