"""The model card of a saved model: what it is made of, what was measured, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from hqlm.models.text_classifier import TextClassifier

_METRICS: Final = {"acc": ("accuracy", "accuracy"), "f1": ("f1", "macro-F1"), "loss": ("loss", "cross-entropy")}
_SLOTS: Final = ("text_encoder", "feature_encoder", "reuploading", "ansatz", "backend")

_TEMPLATE: Final = """---
{front}
---

# {name}

A text classifier of [hqlm](https://arxiv.org/abs/2504.08732), version {version}: {kind} with {total} trainable
parameters ({counts}), for the classes {classes}.

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


def model_card(model: TextClassifier, name: str, options: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter, in the hub's format.

    Args:
        model: the trained model; what was measured is read from its `run_folder`.
        name: what the model is called.
        options: its settings as primitives.
    """
    counts = model.parameter_counts()
    rows = list(_measured(model.run_folder))
    config = _text(model.run_folder, "config.yaml")
    assert model.class_names is not None
    return _TEMPLATE.format(
        front=_front_matter(name, options, rows, config),
        name=name,
        version=metadata.version("hqlm"),
        kind=type(model).__name__,
        total=sum(counts.values()),
        counts=", ".join(f"{number} {kind}" for kind, number in counts.items()),
        classes=", ".join(f"`{each}`" for each in model.class_names),
        parts="\n".join(f"| {slot} | {_component(options[slot])} |" for slot in _SLOTS if slot in options),
        measured=_table(rows),
        made=_made(model.run_folder, config),
    )


def _measured(run: Path | None) -> Iterator[tuple[str, str, float]]:
    """(split, metric, value): of the best checkpoint on the validation rows, and of the last test as it was trained."""
    summary = json.loads(_text(run, "summary.json") or "{}")
    if summary.get("val_acc") is not None:
        yield "val", "acc", summary["val_acc"]
    trained = _settings(_text(run, "config.yaml"))
    tests = [] if run is None else sorted(run.glob("test-*/metrics.json"), key=lambda file: file.stat().st_mtime)
    same = [file for file in tests if _settings(_text(file.parent, "config.yaml")) == trained]
    for key, value in json.loads(same[-1].read_text(encoding="utf-8")).items() if same else ():
        yield *key.split("/", 1), value


def _settings(config: str) -> Any:
    """What a test must share with its training run: the data and the model, but for what the fit itself wrote there."""
    found = yaml.safe_load(config) or {}
    options = (found.get("model") or {}).get("init_args") or {}
    for learned in ("class_names", "embedding_dim"):
        options.pop(learned, None)
    return found.get("model"), found.get("data")


def _front_matter(name: str, options: Mapping[str, Any], rows: list[tuple[str, str, float]], config: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    data = (yaml.safe_load(config) or {}).get("data") or {}
    source = _component(data) if data else "unknown"
    results = [
        EvalResult("text-classification", source, source, kind, value, dataset_split=split, metric_name=title)
        for split, (kind, title), value in ((split, _METRICS[metric], value) for split, metric, value in rows)
    ]
    body = options["text_encoder"].get("init_args", {}).get("model", "")
    data_of_card = ModelCardData(
        model_name=name,
        eval_results=results or None,
        library_name="hqlm",
        pipeline_tag="text-classification",
        tags=["hqlm", "quantum-machine-learning"],
        base_model=body if body.count("/") == 1 and "{" not in body else None,
        metrics=sorted({_METRICS[metric][0] for _, metric, _ in rows}) or None,
    )
    return str(data_of_card.to_yaml())


def _component(recipe: Mapping[str, Any]) -> str:
    name = str(recipe["class_path"]).rpartition(".")[2]
    plain = {key: value for key, value in (recipe.get("init_args") or {}).items() if not isinstance(value, dict | list)}
    return f"{name}({', '.join(f'{key}={value}' for key, value in plain.items() if value is not None)})"


def _table(rows: list[tuple[str, str, float]]) -> str:
    if not rows:
        return "Nothing was measured in a run that this model was loaded from."
    lines = [f"| {split} | {_METRICS[metric][1]} | {value:.4f} |" for split, metric, value in rows]
    return "\n".join(["| split | metric | value |", "| --- | --- | --- |", *lines])


def _made(run: Path | None, config: str) -> str:
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
    """What a file of a run says; nothing where there is none."""
    path = None if folder is None else folder / name
    return path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
