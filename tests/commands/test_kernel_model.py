"""A quantum kernel at the command line: fit, test, predict, saved models and a study."""

import csv
import json
from pathlib import Path

import pytest
import torch

import hqlm
from hqlm.models import TextModel
from hqlm.studies.store import read_results
from tests.commands.conftest import SMALL

KERNEL = ["--model.head=KernelHead", *SMALL, "--trainer.log_every_n_steps=1"]
ALIGNED = [
    *KERNEL,
    "--model.head.feature_encoder=LinearFeatureEncoder",
    "--model.head.feature_encoder.n_qubits=2",
    "--model.head.feature_map=UploadMap",
    "--model.head.align=true",
    "--model.schedule=constant",
    "--model.optimizer=torch.optim.Adam",
    "--model.optimizer.lr=0.05",
]
TEXTS = ["The plot is not dull.", "The plot is dull."]


def test_a_run_is_tested_predicted_and_saved(run):
    result = run("fit", *ALIGNED, "--name=aligned")
    assert result.code == 0, result.err
    summary = json.loads(Path("runs/aligned/summary.json").read_text())
    assert summary["epochs"] == 2
    assert summary["parameters"] == {"body": 0, "lora": 0, "quantum": 6, "classical": 32}
    with Path("runs/aligned/metrics.csv").open() as file:
        assert {"train/loss", "val/acc", "val/f1", "val/loss"} <= set(csv.DictReader(file).fieldnames)
    assert run("test", "--ckpt_path=aligned").code == 0
    metrics = json.loads(Path("runs/aligned/test-1/metrics.json").read_text())
    assert set(metrics) == {"test/acc", "test/f1", "test/loss"}
    shots = run("test", "--ckpt_path=aligned", "--model.head.execution.shots=20")
    assert shots.code == 0, shots.err
    assert "model.head.execution.shots: null -> 20" in shots.out
    assert run("predict", "--ckpt_path=aligned", "--data.limit_test=5").code == 0
    assert len(Path("runs/aligned/predict-1/predictions.tsv").read_text().splitlines()) == 6
    torch.load("runs/aligned/checkpoints/last.ckpt", weights_only=True)
    model = hqlm.load("aligned")
    model.save_pretrained("saved")
    assert TextModel.from_pretrained("saved").predict(TEXTS) == model.predict(TEXTS)


def test_without_alignment_one_epoch_is_all(run):
    result = run("fit", *KERNEL, "--name=plain")
    assert result.code == 0, result.err
    summary = json.loads(Path("runs/plain/summary.json").read_text())
    assert summary["epochs"] == 1
    assert summary["parameters"] == {"body": 0, "lora": 0, "quantum": 0, "classical": 0}
    assert summary["val_acc"] > 0.5
    model = hqlm.load("plain")
    model.save_pretrained("saved")
    assert "0 trainable parameters, for the classes" in " ".join(Path("saved/README.md").read_text().split())
    assert TextModel.from_pretrained("saved").predict(TEXTS) == model.predict(TEXTS)


def test_a_flag_takes_the_feature_encoder_of_a_file_away(run):
    Path("kernel.yaml").write_text(
        "model: {head: {class_path: KernelHead, init_args: {"
        "feature_encoder: {class_path: LinearFeatureEncoder, init_args: {n_qubits: 2}}}}}\n"
    )
    assert run("fit", "--config=kernel.yaml", *KERNEL, "--model.head.feature_encoder=null").code == 0
    assert hqlm.load("kernel").head.features is None


def test_an_interrupted_run_goes_on_to_the_same_machine(run):
    assert run("fit", *ALIGNED, "--model.schedule=constant", "--name=whole").code == 0
    assert run("fit", *ALIGNED, "--model.schedule=constant", "--trainer.max_epochs=1", "--name=half").code == 0
    assert run("fit", "--ckpt_path=half", "--trainer.max_epochs=2").code == 0
    whole, half = (
        torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for name in ("whole", "half")
    )
    assert set(whole) == set(half)
    assert all(torch.equal(whole[key], half[key]) for key in whole)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model.head.align=true"], "neither AmplitudeMap nor what is before it has trainable"),
        (["--model.head.ablate=[alignment]"], "'alignment' changes nothing here"),
        (["--model.head.feature_map=UploadMp"], "Did you mean 'UploadMap'?"),
        (["--model.head.kind=fidelty"], "fidelty"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, flags, message):
    result = run("fit", *KERNEL, *flags)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.slow
def test_a_study_ablates_a_kernel(run):
    Path("kernel.yaml").write_text(
        "model: {text_encoder: {class_path: HashingEncoder, init_args: {dim: 15}}, "
        "head: {class_path: KernelHead, init_args: {align: true, feature_map: UploadMap, "
        "feature_encoder: {class_path: LinearFeatureEncoder, init_args: {n_qubits: 2}}}}, "
        "optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.05}}}\n"
        "data: {class_path: ReviewsData, init_args: {limit_train: 64, limit_val: 32, limit_test: 32}}\n"
        "trainer: {max_epochs: 1, accelerator: cpu, enable_progress_bar: false}\n"
    )
    Path("words.yaml").write_text(
        "base: kernel.yaml\nresponse: test/acc\nseeds: [0]\n"
        "design: {class_path: Ablation, init_args: {words: [alignment, quantum]}}\n"
        "executor: {class_path: LocalExecutor, init_args: {n_workers: 1}}\n"
    )
    assert run("study", "run", "--config=words.yaml").code == 0
    results = read_results(Path("studies/words"))
    assert (results["status"] == "done").all()
    assert len(results) == 3
    assert run("study", "report", "words").code == 0
    report = Path("studies/words/report.md").read_text()
    assert "without alignment" in report
    assert "without quantum" in report
