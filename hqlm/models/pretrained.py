"""Trained models as folders in the layout of the Hugging Face hub: safetensors weights, configuration, model card.

`huggingface_hub.PyTorchModelHubMixin` is not used: it keeps a second store of hyperparameters beside Lightning's, loads
mismatched weights silently, falls back to pickle, and writes the files one after another in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import lightning
from torch import Tensor

from hqlm.encoders.text.loading import check_folder
from hqlm.errors import CheckpointError, ConfigError, EncoderError, list_names
from hqlm.files import atomic_folder, parse_json, recover_folder
from hqlm.models.card import model_card
from hqlm.models.recipes import to_primitives
from hqlm.models.restoring import import_plugin

if TYPE_CHECKING:
    from hqlm.models.text_model import TextModel

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
CARD: Final = "README.md"
BODY: Final = "body"
_HERE: Final = "{folder}"  # placeholder for the folder in paths of its configuration
_MODEL_TYPE: Final = "hqlm"
_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".py")


def write_pretrained(model: TextModel, folder: Path) -> None:
    """Write a trained model into a folder atomically.

    Raises:
        ConfigError: for an untrained model.
        CheckpointError: for a folder with other content or the working directory, or a text encoder that cannot be
            saved safely.
    """
    from safetensors.torch import save_file

    folder = folder.resolve()
    checkpoint: dict[str, Any] = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(checkpoint)
    if checkpoint["text_encoder_key"] is None:
        raise ConfigError("save_pretrained needs a trained model, and this one was never trained. Fit it first")
    if Path.cwd().is_relative_to(folder):
        raise CheckpointError(
            f"{folder} is the working directory or contains it, and a saved model replaces its folder. Choose a new one"
        )
    others = {path.name for path in folder.iterdir()} - {WEIGHTS, CONFIG, CARD, BODY} if folder.is_dir() else set()
    if others or folder.is_file():
        raise CheckpointError(
            f"{folder} holds something else ({list_names(sorted(others)) or 'it is a file'}), and a saved model "
            "replaces the content of its folder. Choose a new folder"
        )
    options, tensors = _options(model), checkpoint["state_dict"]
    config = {"text_encoder_key": checkpoint["text_encoder_key"]}
    with atomic_folder(folder) as part:
        body = model.shipped_text_encoder()
        if body is not None:  # a text encoder that was trained with the head is frozen from here on
            model.save_body(part / BODY)
            _check_body(part / BODY)
            config["text_encoder_key"] = body.at(part / BODY).build().content_key
            options["text_encoder"] = to_primitives(body.at(Path(_HERE) / BODY), "text_encoder")
            tensors = {name: value for name, value in tensors.items() if not name.startswith(f"{BODY}.")}
        save_file({name: _plain(value) for name, value in tensors.items()}, part / WEIGHTS, {"format": "pt"})
        config["weights_sha256"] = _sha256(part / WEIGHTS)
        described = {
            "architectures": [type(model).__name__],
            "model_type": _MODEL_TYPE,
            "class_path": model.hparams["_class_path"],
            "init_args": options,
            **config,
        }
        (part / CONFIG).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        (part / CARD).write_text(model_card(model, folder.name, options), encoding="utf-8")


def read_pretrained(folder: Path) -> dict[str, Any]:
    """Return the content of a folder of `write_pretrained` as a checkpoint; nothing in it is run or imported.

    Raises:
        CheckpointError: if a file is missing, corrupt or not from hqlm.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _read_config(folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder} has no {WEIGHTS}")
    if _sha256(folder / WEIGHTS) != config["weights_sha256"]:
        raise CheckpointError(
            f"{folder / WEIGHTS} does not belong to {CONFIG}: its SHA-256 differs. Copy or download both again"
        )
    if (folder / BODY).is_dir():
        _check_body(folder / BODY)
    options = dict(config["init_args"])
    options["text_encoder"] = _relocate(options["text_encoder"], folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, ValueError, LookupError) as err:
        raise CheckpointError(f"{folder / WEIGHTS} is not a safetensors file: {err}") from err
    return {
        "hyper_parameters": {**options, "_class_path": config["class_path"]},
        "state_dict": weights,
        "text_encoder_key": config["text_encoder_key"],
        "pytorch-lightning_version": lightning.__version__,
    }


def find_pretrained(path: str, revision: str | None, plugins: Sequence[str]) -> Path:
    """Return the folder of a saved model, downloaded if `path` is the id of a repository; import `plugins`.

    Raises:
        CheckpointError: if there is no such folder, and the hub does not return it.
        PluginError: if a plugin cannot be imported.
    """
    for plugin in plugins:
        import_plugin(plugin)
    recover_folder(Path(path))
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, revision=revision, allow_patterns=[WEIGHTS, CONFIG, CARD, f"{BODY}/*"]))
    except Exception as err:  # invalid names, network, permissions
        raise CheckpointError(
            f"'{path}' is not a folder, and the Hugging Face hub did not return it ({type(err).__name__}). Check the "
            "name and the connection"
        ) from err


def _options(model: TextModel) -> dict[str, Any]:
    return {name: value for name, value in model.hparams.items() if not name.startswith("_")}


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous().clone()  # safetensors rejects tensors that share memory


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: Any = parse_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError) as err:  # DocumentError and invalid UTF-8 are ValueErrors
        raise CheckpointError(f"cannot read {path}: {err}") from err
    kind = config.get("model_type") if isinstance(config, dict) else type(config).__name__
    if kind != _MODEL_TYPE:
        shown = str(kind)[:80]
        raise CheckpointError(f"{path} is not from an hqlm model: its model_type is {shown!r}, not '{_MODEL_TYPE}'")
    missing = {"class_path", "init_args", "text_encoder_key", "weights_sha256"} - set(config)
    if missing or not isinstance(config["init_args"], dict) or not _is_recipe(config["init_args"].get("text_encoder")):
        raise CheckpointError(f"{path} is incomplete: it lacks {', '.join(sorted(missing)) or 'the text encoder'}")
    if not isinstance(config["class_path"], str):
        raise CheckpointError(f"{path} is not from hqlm: its class_path is a {type(config['class_path']).__name__}")
    return config  # type: ignore[no-any-return]  # a dict, since it has the keys above


def _is_recipe(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("init_args", {}), dict)


def _relocate(text_encoder: Any, folder: Path) -> Any:
    """Return the recipe of a text encoder whose files are now in `folder`."""
    here = f"{_HERE}/{BODY}"
    options = text_encoder.get("init_args", {})
    found = {name: str(folder.absolute() / BODY) if value == here else value for name, value in options.items()}
    return {**text_encoder, "init_args": found}


def _check_body(folder: Path) -> None:
    """Reject a text encoder whose files could run code.

    Raises:
        CheckpointError: with the file.
    """
    for path in folder.rglob("*"):
        if path.suffix in _PICKLES:
            raise CheckpointError(f"{path} could run code. A saved text encoder may have weights only in safetensors")
    try:
        check_folder(folder)
    except EncoderError as err:
        raise CheckpointError(str(err)) from err


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
