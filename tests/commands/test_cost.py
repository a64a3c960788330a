"""The cost of an experiment as a user asks for it; circuits are counted beside a training run that submits them."""

import json
import re

import pytest

from tests.commands.conftest import TINY
from tests.commands.counting import SUBMITTED

# 2 of 4 batches to validate on, and all to train on, of which the last is not full
HALF = [
    "--trainer.limit_val_batches=0.5", "--trainer.limit_train_batches=1.0", "--data.limit_val=30", "--data.batch_size=8"
]  # fmt: skip
SMALL = [
    *TINY,
    "--model.head.feature_encoder.n_qubits=4",
    "--model.head.feature_encoder.n_layers=1",
    "--data.limit_train=20",
]


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--model.head.ablate=[feature_encoder]"],
        ["--model.head.ablate=[feature_encoder]", "--model.head.reuploading.trainable_scale=true"],
        ["--trainer.limit_train_batches=1", "--trainer.num_sanity_val_steps=0", "--data.batch_size=8"],
        ["--model.head.execution.gradient=spsa", *HALF],
    ],
)
def test_a_training_run_submits_as_many_circuits_as_were_announced(run, flags):
    SUBMITTED.clear()
    device = ["--model.head.backend=tests.commands.counting._CountingBackend", "--model.head.backend.dry_run=false"]
    args = [*SMALL, *flags, *device, "--model.head.backend.max_cost_usd=1e9", "--model.head.execution.shots=5"]
    work = json.loads(run("cost", *args, "--devices=[]", "--json").out)["workload"]
    result = run("fit", *args)
    assert result.code == 0, result.err
    rows = work["rows"]
    evaluated = rows["epochs"] * rows["val"] + rows["sanity"]
    announced = work["per_row"] * (rows["epochs"] * rows["train"] * (1 + work["repeats"]) + evaluated)
    assert sum(circuits for circuits, _ in SUBMITTED) == announced
    assert {shots for _, shots in SUBMITTED} == {work["shots"]} == {5}


def test_tables_and_what_is_assumed(run):
    result = run("cost", *SMALL, "--qubits=[24,34,44]")
    assert result.code == 0, result.err
    assert "100 shots (assumed: the configuration is exact" in result.out
    assert re.search(r"trapped ions: less energy than simulated from about 3[345]\.\d qubits on", result.out)
    dearer = run(
        "cost", *SMALL, "--qubits=[24,34,44]", "--trapped_ion.watts=12000", "--devices=[trapped_ion]", "--json"
    )
    found = json.loads(dearer.out)
    assert found["assumptions"]["trapped_ion"]["watts"] == 12000
    assert found["break_even"]["trapped_ion"] > 35.0


def test_a_figure_is_drawn(run, tmp_path):
    result = run("cost", *SMALL, "--qubits=[8]", "--plot=cost.svg")
    assert result.code == 0, result.err
    assert "<svg" in (tmp_path / "cost.svg").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--devices=[photonic]"], "there is no 'photonic'"),
        (["--model.head.ablate=[quantum]"], "no circuit of a second module"),
        (["--trainer.max_steps=3"], "trainer.max_steps=3: hqlm cost counts whole epochs"),
        (["--trainer.check_val_every_n_epoch=2"], "hqlm cost counts whole epochs"),
        (["--qubits=[3]", "--devices=[]"], "above that of the configuration, 4"),
        (["--model.head.ablate=[feature_encoder]", "--qubits=[8]"], "no option n_qubits"),
        (["--plot=cost.gif"], "svg"),
    ],
)
def test_mistakes(run, flags, words):
    result = run("cost", *SMALL, *flags)
    assert result.code == 2
    assert words in result.err
