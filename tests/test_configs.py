"""Every configuration that is shipped can be parsed and trained."""

from pathlib import Path

import pytest
import yaml

from hqlm.commands import main
from tests.commands.conftest import run  # noqa: F401 (a fixture)

CONFIGS = Path(__file__).parents[1] / "configs"
WHOLE = sorted(CONFIGS.glob("*.yaml"))
ALGORITHMS = sorted(CONFIGS.glob("algorithms/*.yaml"))
OVERLAYS = sorted(CONFIGS.glob("backend/*.yaml")) + sorted(CONFIGS.glob("noise/*.yaml"))
# what stands in for a data folder or weights that may be absent: the built-in reviews, hashed words on few qubits
REVIEWS = ["--data=ReviewsData"]
SMALL = [
    "--model.text_encoder=HashingEncoder",
    "--model.text_encoder.dim=15",
    "--model.feature_encoder.n_qubits=5",
    "--model.feature_encoder.n_layers=2",
]
DRY = ["--trainer.fast_dev_run=true", "--trainer.enable_progress_bar=false"]
NEEDS_A_FOLDER = {"sst2.yaml", "paper.yaml", "text.yaml"}


def name(path):
    return str(path.relative_to(CONFIGS))


def test_these_need_a_data_folder():
    found = {path.name for path in WHOLE if yaml.safe_load(path.read_text())["data"]["class_path"] == "FileData"}
    assert found == NEEDS_A_FOLDER


@pytest.mark.parametrize("path", WHOLE, ids=name)
def test_a_whole_configuration_runs(run, path):  # noqa: F811
    assert run("fit", f"--config={path}", *REVIEWS, *SMALL, *DRY).code == 0


@pytest.mark.parametrize("path", OVERLAYS, ids=name)
def test_an_overlay_runs(run, path):  # noqa: F811
    assert run("fit", f"--config={CONFIGS}/quickstart.yaml", f"--config={path}", *REVIEWS, *SMALL, *DRY).code == 0


@pytest.mark.parametrize("path", ALGORITHMS, ids=name)
def test_a_configuration_of_an_algorithm_runs_without_data(run, path):  # noqa: F811
    Path("configs").symlink_to(CONFIGS)  # where data files of problems lie
    assert run("fit", f"--config={path}", *DRY).code == 0


@pytest.mark.parametrize("path", WHOLE + ALGORITHMS + OVERLAYS, ids=name)
def test_a_configuration_says_what_it_is_for(path):
    assert path.read_text().startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize("path", WHOLE, ids=name)
def test_a_whole_configuration_runs_unchanged(path, tmp_path, monkeypatch):
    for folder in ("sst2", "my_data"):  # where the configurations look for data
        (tmp_path / folder).mkdir()
        for split in ("train", "dev", "test"):
            rows = [f"the plot is {('dull', 'clever')[n % 2]} in {split} {n}\t{n % 2}" for n in range(64)]
            (tmp_path / folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    monkeypatch.delenv("HQLM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    limits = ["--data.limit_train=64", "--data.limit_val=32"]
    assert main(["fit", f"--config={path}", *limits, *DRY]) == 0
