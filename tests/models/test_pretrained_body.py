"""Saved models whose text encoder was tuned, or lies in a local folder: it travels with the head."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

import hqlm
from hqlm.data import ReviewsData
from hqlm.encoders import Contrastive, LoRA, SentenceTransformerEncoder
from hqlm.errors import CheckpointError
from hqlm.heads import LinearHead
from hqlm.models import TextModel
from tests.tiny_transformer import save_tiny_transformer

TEXTS = ["the film is witty", "the plot was dull and boring", "good service , bad soup"]
STAGES = {
    "frozen": {},
    "contrastive": {"stage": "contrastive", "contrastive": Contrastive(steps=3)},
    "end_to_end": {"stage": "end_to_end", "lr": 1e-3},
    "lora": {"stage": "end_to_end", "lora": LoRA(rank=2), "lr": 1e-2},
}


@pytest.fixture(params=STAGES)
def model(request, tmp_path, monkeypatch):
    """A trained model; its initial text encoder is in the folder `tiny`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    encoder = SentenceTransformerEncoder(str(save_tiny_transformer(tmp_path / "tiny")), **STAGES[request.param])
    seed_everything(0, verbose=False)
    found = TextModel(encoder, LinearHead(), optimizer=functools.partial(torch.optim.AdamW, lr=0.05))
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(found, ReviewsData(limit_train=32, limit_val=16, batch_size=16))
    return found


def probabilities(model):
    return torch.tensor([list(each.probabilities.values()) for each in model.predict(TEXTS)])


def test_the_text_encoder_travels_with_the_head(model):
    before = probabilities(model.eval())
    embeddings = model.embed(TEXTS)
    model.save_pretrained("saved")
    shutil.rmtree("tiny")
    shutil.rmtree("cache")
    shutil.move("saved", "moved")
    after = hqlm.load("moved")
    torch.testing.assert_close(probabilities(after), before, rtol=0, atol=1e-5)
    assert after.stage == "frozen"

    from sentence_transformers import SentenceTransformer

    body = SentenceTransformer("moved/body")
    torch.testing.assert_close(torch.from_numpy(body.encode(TEXTS)), embeddings, rtol=0, atol=1e-5)
    after.save_pretrained("again")
    torch.testing.assert_close(probabilities(TextModel.from_pretrained("again")), before, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", ["frozen"], indirect=True)
def test_a_text_encoder_that_could_run_code_is_refused(model):
    model.save_pretrained("saved")
    modules = Path("saved/body/modules.json")
    whole = modules.read_text()
    entries = json.loads(whole)
    entries[0]["type"] = "evil.Module"
    modules.unlink()  # it may be a link to the file it came from
    for text, message in [(json.dumps(entries), "names 'evil.Module'"), ("{", "cannot read")]:
        modules.write_text(text)
        with pytest.raises(CheckpointError, match=message):
            hqlm.load("saved")
    modules.write_text(whole)
    Path("saved/body/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="could run code"):
        hqlm.load("saved")


@pytest.mark.parametrize("model", ["frozen"], indirect=True)
def test_a_text_encoder_with_pickled_weights_is_not_saved(model):
    Path("tiny/model/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="could run code"):
        model.save_pretrained("saved")
    assert not Path("saved").exists()


@pytest.mark.parametrize("model", ["frozen"], indirect=True)
def test_other_weights_of_the_text_encoder_are_noticed(model):
    model.save_pretrained("saved")
    shutil.copytree("saved", "copy")
    path = Path("copy/body/model.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="was trained on a text encoder of content"):
        hqlm.load("copy").predict(TEXTS)
