"""Runs whose text encoder is trained: their folders, what reads them, going on with them, and comparing them."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

import hqlm
import hqlm.encoders.text.sentence_transformer as sentence_transformer
from hqlm.encoders import SentenceTransformerEncoder
from tests.commands.conftest import TINY
from tests.commands.test_resume import assert_same, interrupted
from tests.tiny_transformer import save_tiny_transformer

REST = [flag for flag in TINY if "text_encoder" not in flag and "n_qubits" not in flag]
LORA = "--model.text_encoder.lora.rank=2"
STAGES = [
    pytest.param(["contrastive"], id="contrastive"),
    pytest.param(["contrastive", LORA], id="contrastive, lora", marks=pytest.mark.slow),
    pytest.param(["end_to_end"], id="end_to_end", marks=pytest.mark.slow),
    pytest.param(["end_to_end", LORA], id="end_to_end, lora"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny_transformer(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def flags(weights):
    """Flags of a tiny run by stage."""

    def call(stage, *more):
        return [
            *REST,
            "--model.head.feature_encoder.n_qubits=5",
            "--model.text_encoder=SentenceTransformerEncoder",
            f"--model.text_encoder.model={weights}",
            f"--model.text_encoder.stage={stage}",
            "--model.text_encoder.lr=0.003",
            "--model.text_encoder.contrastive.steps=3",
            *more,
        ]

    return call


def plain(texts):
    from sentence_transformers import SentenceTransformer

    return torch.from_numpy(SentenceTransformer("runs/tuned/body", device="cpu").encode(texts))


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_leaves_a_body_that_plain_sentence_transformers_loads(run, flags, stage):
    result = run("fit", *flags(*stage), "--name=tuned")
    assert result.code == 0, result.err
    summary = json.loads(Path("runs/tuned/summary.json").read_text())
    assert summary["stage"] == stage[0]
    assert f"text encoder          {stage[0]}" in result.out
    counts = summary["parameters"]
    assert counts["lora" if len(stage) > 1 else "body"] > 0
    assert ", ".join(f"{number} {kind}" for kind, number in counts.items()) in result.out
    model = hqlm.load("tuned")
    assert model.parameter_counts() == counts
    texts = ["the film was not dull .", "bad soup and boring service ."]
    torch.testing.assert_close(plain(texts), model.embed(texts), atol=1e-5, rtol=1e-5)
    assert sorted(path.name for path in Path("runs/tuned").iterdir()) == [
        "body", "checkpoints", "config.yaml", "metrics.csv", "summary.json",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["contrastive", "end_to_end"])
def test_every_command_uses_the_tuned_body(run, flags, weights, stage):
    assert run("fit", *flags(stage), "--name=tuned").code == 0
    shutil.rmtree("cache")  # a run stands on its own
    assert run("test", "--ckpt_path=tuned").code == 0
    assert run("predict", "--ckpt_path=runs/tuned/checkpoints/last.ckpt").code == 0
    model = hqlm.load("tuned")
    lines = Path("runs/tuned/test-1/predictions.tsv").read_text().splitlines()[1:]
    with torch.no_grad():
        texts = [line.split("\t")[0] for line in lines]
        tuned = model(model.embed(texts)).softmax(1)
        frozen = model(SentenceTransformerEncoder(str(weights)).build()(texts)).softmax(1)
    said = torch.tensor([[float(value) for value in line.split("\t")[3:]] for line in lines])
    torch.testing.assert_close(said, tuned, atol=2e-5, rtol=0)
    assert (said - frozen).abs().max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_run_goes_on_exactly(run, flags, monkeypatch, tmp_path, stage):
    args = [*flags(*stage), "--trainer.max_epochs=4", "--data.batch_size=16"]

    def fit(*more):
        return run("fit", *args, *more)

    assert fit("--name=whole").code == 0
    interrupted(fit, monkeypatch, tmp_path)
    shutil.rmtree("cache/bodies", ignore_errors=True)
    monkeypatch.setattr(sentence_transformer, "tune", lambda *args: pytest.fail("tuned again"))
    assert fit("--name=broken", "--ckpt_path=last", "--trainer.callbacks=[]").code == 0
    assert_same("whole", "broken")


@pytest.mark.slow
def test_the_body_is_that_of_the_best_checkpoint(run, flags):
    result = run("fit", *flags("end_to_end"), "--name=tuned", "--trainer.max_epochs=3", "--model.schedule=constant")
    assert result.code == 0
    texts = ["the film was dull ."]
    best, last = hqlm.load("tuned"), hqlm.load("runs/tuned/checkpoints/last.ckpt")
    torch.testing.assert_close(plain(texts), best.embed(texts), atol=1e-5, rtol=1e-5)
    if json.loads(Path("runs/tuned/summary.json").read_text())["checkpoint"].split("epoch")[1][:2] != "02":
        assert (plain(texts) - last.embed(texts)).abs().max() > 1e-5


def test_a_tuned_body_that_is_missing_or_another_is_refused(run, flags, weights):
    assert run("fit", *flags("contrastive"), "--name=tuned").code == 0
    shutil.move("runs/tuned/body", "elsewhere")
    for command in (["test"], ["fit", *flags("contrastive"), "--name=tuned"]):
        result = run(*command, "--ckpt_path=runs/tuned/checkpoints/last.ckpt")
        assert result.code == 2
        assert "was trained on a tuned text encoder, which is missing" in result.err
    shutil.copytree(weights, "runs/tuned/body")
    result = run("test", "--ckpt_path=tuned")
    assert result.code == 2
    assert "was trained on a text encoder of content" in result.err


def test_a_stage_of_an_encoder_without_weights_is_refused(fit):
    result = fit("--model.text_encoder.stage=end_to_end")
    assert result.code == 2
    assert "stage" in result.err
    assert "HashingEncoder" in result.err


def test_low_rank_updates_of_rank_0_are_refused(run, flags):
    result = run("fit", *flags("end_to_end", "--model.text_encoder.lora.rank=0"))
    assert result.code == 2
    assert "text_encoder.lora needs rank 1 or more" in result.err


@pytest.mark.slow
def test_a_comparison_of_a_contrastive_model_tunes_once_a_draw(run, flags, monkeypatch):
    tuned, tune = [], sentence_transformer.tune
    monkeypatch.setattr(sentence_transformer, "tune", lambda *args: tuned.append(args[2]) or tune(*args))
    few = [flag for flag in flags("contrastive") if "limit_t" not in flag]
    what = ["--seeds=0,1", "--draws=2", "--heads=LogisticRegressionHead,MatchedHead", "--data.samples_per_class=8"]
    inline = ["--plugins=tests.studies.inline", "--executor=InlineExecutor"]
    result = run("compare", *few, *what, *inline, "--name=both", "--trainer.max_epochs=1")
    assert result.code == 0, result.err
    assert len(tuned) == 2
    models = {each["model"]: each for each in json.loads(Path("studies/both/comparison.json").read_text())["models"]}
    assert set(models) == {"QuantumHead", "LogisticRegressionHead", "MatchedHead"}
    sizes = {name: model["parameters"] for name, model in models.items()}
    assert abs(sizes["MatchedHead"] - sizes["QuantumHead"]) <= 2  # the shared text encoder counts for neither


def test_a_comparison_end_to_end_is_refused(run, flags):
    result = run("compare", *flags("end_to_end"), "--name=both")
    assert result.code == 2
    assert "no embeddings to compare heads on" in result.err
    assert not Path("studies/both").exists()


def test_texts_that_are_cut_are_counted_end_to_end(run, flags, caplog):
    Path("data").mkdir()
    for split, n_long in (("train", 1), ("dev", 2), ("test", 3)):
        rows = ["good\tyes", "bad\tno"] * 4 + ["a film " * 50 + "\tyes"] * n_long
        Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    texts = ["--data=FileData", "--data.folder=data"]
    result = run("fit", *[flag for flag in flags("end_to_end") if "data" not in flag], *texts, "--name=cut")
    assert result.code == 0, result.err
    assert run("test", "--ckpt_path=cut").code == 0
    said = re.findall(r"the 62 tokens that the text encoder reads: (\d) of (\d+) \(the longest has 100\)", caplog.text)
    assert said == [("1", "9"), ("2", "10"), ("3", "11")]
