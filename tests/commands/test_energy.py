"""A model without data at the command line: its run folder, its score, its limits."""

import csv
import json
from pathlib import Path

import pytest
import torch

import hqlm
from hqlm.studies.store import read_results

VQE = [
    "--model=VQE",
    "--model.problem=IsingChain",
    "--model.problem.n_qubits=3",
    "--model.steps_per_epoch=3",
    "--trainer.max_epochs=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
]
SPSA = '--model.optimizer={"class_path": "hqlm.algorithms.SPSA", "init_args": {"lr": 0.5}}'


@pytest.fixture
def lowered(run):
    """The folder of a finished run."""
    result = run("fit", *VQE, "--name=chain")
    assert result.code == 0, result.err
    return result


def test_a_run_is_judged_by_its_energy(lowered):
    summary = json.loads(Path("runs/chain/summary.json").read_text())
    assert "val_acc" not in summary
    assert f"energy                {summary['val_energy']:.4f} (best checkpoint)" in lowered.out
    assert "hqlm test --ckpt_path chain" in lowered.out
    assert "predict" not in lowered.out
    assert Path(summary["checkpoint"]).name.startswith("best-epoch01-energy-")
    with Path("runs/chain/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ["train/energy", "val/energy", "val/error", "val/fidelity", "val/variance"]
    assert list(rows[0]) == ["epoch", "step", *names]
    energies = [float(row["val/energy"]) for row in rows if row["val/energy"]]
    assert summary["val_energy"] == energies[-1] == min(energies)


def test_a_run_is_tested_and_not_predicted(run, lowered):
    result = run("test", "--ckpt_path=chain", "--model.execution.shots=100")
    assert result.code == 0, result.err
    metrics = json.loads(Path("runs/chain/test-1/metrics.json").read_text())
    assert set(metrics) == {"test/energy", "test/error", "test/fidelity", "test/variance"}
    refused = run("predict", "--ckpt_path=chain")
    assert refused.code == 2
    assert "nothing to predict" in refused.err


@pytest.mark.parametrize("optimizer", ["--model.optimizer.lr=0.05", SPSA])
def test_an_interrupted_run_goes_on_to_the_same_weights(run, optimizer):
    assert run("fit", *VQE, optimizer, "--trainer.max_epochs=3", "--name=whole").code == 0
    assert run("fit", *VQE, optimizer, "--trainer.max_epochs=1", "--name=half").code == 0
    assert run("fit", "--ckpt_path=half", "--trainer.max_epochs=3").code == 0
    whole, half = (torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True) for name in ("whole", "half"))
    torch.testing.assert_close(half["state_dict"]["quantum.weight"], whole["state_dict"]["quantum.weight"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--data=ReviewsData", "VQE reads no data"),
        ('--model.problem={"class_path": "PauliTerms", "init_args": {"terms": {"ZZ": "0.5j"}}}', "not Hermitian"),
        ('--model.problem={"class_path": "HamiltonianFile", "init_args": {"path": "no.json"}}', "no.json"),
        ("--model.problem.n_qubits=60", "60 qubits"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, flag, message):
    result = run("fit", *VQE, flag)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_checkpoint_keeps_its_hamiltonian(run):
    Path("h.json").write_text('{"ZZ": 1.0, "XI": 0.5}')
    file = '--model.problem={"class_path": "HamiltonianFile", "init_args": {"path": "h.json"}}'
    assert run("fit", *VQE[:1], file, *VQE[3:], "--name=file").code == 0
    Path("h.json").write_text('{"ZZ": 1.0, "XI": 0.6}')
    refused = run("test", "--ckpt_path=file")
    assert refused.code == 2
    assert "a Hamiltonian that differs" in refused.err
    Path("h.json").unlink()
    assert dict(hqlm.load("file").hamiltonian.terms) == {"ZZ": 1.0, "XI": 0.5}


@pytest.mark.slow
def test_a_study_ablates_and_compares_energies(run):
    Path("chain.yaml").write_text(
        "model: {class_path: VQE, init_args: {problem: {class_path: IsingChain, init_args: {n_qubits: 2}}}}\n"
        "trainer: {max_epochs: 1, accelerator: cpu, enable_progress_bar: false}\n"
    )
    Path("words.yaml").write_text(
        "base: chain.yaml\nresponse: test/energy\nseeds: [0, 1]\n"
        "design: {class_path: Ablation, init_args: {words: [entanglement], key: model.ablate}}\n"
        "executor: {class_path: LocalExecutor, init_args: {n_workers: 1}}\n"
    )
    assert run("study", "run", "--config=words.yaml").code == 0
    results = read_results(Path("studies/words"))
    assert (results["status"] == "done").all()
    assert {"test/energy", "val/energy", "test/error"} <= set(results)
    assert run("study", "report", "words").code == 0
    report = Path("studies/words/report.md").read_text()
    assert "without entanglement" in report
    assert "accuracy" not in report.partition("| variant")[2].partition("\n")[0]


@pytest.mark.parametrize("scale", [1e-12, 1e99])
def test_files_and_figures_have_the_digits_of_the_energy(run, scale):
    terms = json.dumps({"ZZ": scale, "XI": -0.3 * scale})
    problem = f'--model.problem={{"class_path": "PauliTerms", "init_args": {{"terms": {terms}}}}}'
    result = run("fit", "--model=VQE", problem, *VQE[3:], "--name=scaled")
    assert result.code == 0, result.err
    summary = json.loads(Path("runs/scaled/summary.json").read_text())
    names = [path.name for path in Path("runs/scaled/checkpoints").glob("best*")]
    assert len(names) == 1
    assert len(names[0]) < 60
    energy = float(names[0].removesuffix(".ckpt").partition("energy")[2])
    assert energy == pytest.approx(summary["val_energy"], rel=1e-5)
    shown = next(line.split()[1] for line in result.out.splitlines() if line.startswith("energy"))
    assert float(shown) == pytest.approx(summary["val_energy"], rel=1e-3)
    tested = run("test", "--ckpt_path=scaled")
    assert tested.code == 0
    assert "-0.0000" not in result.out + tested.out
    metrics = json.loads(Path("runs/scaled/test-1/metrics.json").read_text())
    for line in tested.out.splitlines():
        if line.startswith("test/"):
            assert float(line.split()[1]) == pytest.approx(metrics[line.split()[0]], rel=1e-3, abs=0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"ZZ": 1e308, "XI": 1e308}', "too large"),
        ('{"ZZ": ' + "9" * 400 + "}", "too many digits"),
        ('{"' + "Z" * 100_000 + '": 1.0}', "given 100,000"),
        ("[" * 100_000, "nested too deeply"),
        ('{"ZZ": NaN}', "not finite"),
        ("{}", "at least one term"),
        ("", "not valid JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_files_that_cannot_be_hamiltonians_end_in_a_sentence(run, text, message):
    Path("h.json").write_text(text)
    problem = '--model.problem={"class_path": "HamiltonianFile", "init_args": {"path": "h.json"}}'
    result = run("fit", "--model=VQE", problem, *VQE[3:])
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err) < 600
