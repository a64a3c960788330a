"""Every configuration that is shipped can be parsed and trained."""

from pathlib import Path

import pytest
import yaml

from hqlm.commands import main
from hqlm.config.sources import SHIPPED, find_config
from hqlm.studies.study import Study
from tests.commands.conftest import run  # noqa: F401 (a fixture)

CONFIGS = SHIPPED
KERNEL = CONFIGS / "algorithms" / "kernel_sst2.yaml"
WHOLE = [*sorted(CONFIGS.glob("*.yaml")), KERNEL]
ALGORITHMS = sorted(set(CONFIGS.glob("algorithms/*.yaml")) - {KERNEL})
OVERLAYS = sorted(CONFIGS.glob("backend/*.yaml")) + sorted(CONFIGS.glob("noise/*.yaml"))
LOGGERS = sorted(CONFIGS.glob("logger/*.yaml"))
STUDIES = sorted(CONFIGS.glob("studies/*.yaml"))
# what stands in for a data folder or weights that may be absent: the built-in reviews, hashed words on few qubits
REVIEWS = ["--data=ReviewsData"]
SMALL = [
    "--model.text_encoder=HashingEncoder",
    "--model.text_encoder.dim=15",
    "--model.head.feature_encoder.n_qubits=5",
    "--model.head.feature_encoder.n_layers=2",
    "--model.head.feature_encoder.correlators=0",  # five qubits have fewer pairs than the blocks of a file upload
]
DRY = ["--trainer.fast_dev_run=true", "--trainer.enable_progress_bar=false"]
NEEDS_A_FOLDER = {
    "few_shot.yaml",
    "sst2.yaml",
    "sst2_pairs.yaml",
    "paper.yaml",
    "text.yaml",
    "contrastive.yaml",
    "end_to_end.yaml",
    "kernel_sst2.yaml",
}
FEW_ROWS = {  # what the configurations for few rows need where there are 32 a class
    "few_shot": ["--data.samples_per_class=16", "--data.limit_val=32"],
    "contrastive": ["--data.samples_per_class=16", "--model.text_encoder.contrastive.steps=2", "--data.limit_val=32"],
}


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
    assert run("fit", f"--config={path}", *DRY).code == 0


@pytest.mark.parametrize("path", LOGGERS, ids=name)
def test_a_logger_runs_on_top_of_the_first_example(run, path):  # noqa: F811
    pytest.importorskip(path.stem)
    flags = [f"--config={CONFIGS / 'quickstart.yaml'}", f"--config={path}", *SMALL, *DRY]
    assert run("fit", *flags).code == 0


@pytest.mark.parametrize("path", WHOLE + ALGORITHMS + OVERLAYS + LOGGERS + STUDIES, ids=name)
def test_a_configuration_says_what_it_is_for(path):
    assert path.read_text().startswith("# ")


def make_data(folder, monkeypatch):
    """Work in a folder with data where the configurations look for them."""
    for name in ("sst2", "my_data"):
        (folder / name).mkdir()
        for split in ("train", "dev", "test"):
            rows = [f"the plot is {('dull', 'clever')[n % 2]} in {split} {n}\t{n % 2}" for n in range(64)]
            (folder / name / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    monkeypatch.delenv("HQLM_DATA", raising=False)
    monkeypatch.chdir(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "trials"),
    [("ablation", 27), ("kernel_ablation", 27), ("scaling", 25), ("screening", 96), ("screening_noise", 48)],
)
def test_every_trial_of_a_study_is_sound(monkeypatch, tmp_path, study, trials):
    make_data(tmp_path, monkeypatch)
    planned = Study.read(f"studies/{study}").plan()
    assert len({each.key for each in planned}) == len(planned) == trials


@pytest.mark.slow
@pytest.mark.parametrize("path", WHOLE, ids=name)
def test_a_whole_configuration_runs_unchanged(path, tmp_path, monkeypatch):
    make_data(tmp_path, monkeypatch)
    limits = FEW_ROWS.get(path.stem, ["--data.limit_train=64", "--data.limit_val=32"])
    assert main(["fit", f"--config={path}", *limits, *DRY]) == 0


def test_a_shipped_name_means_the_file_though_a_folder_of_data_has_it_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sst2").mkdir()
    assert find_config("sst2") == CONFIGS / "sst2.yaml"
    (tmp_path / "quickstart").write_text("trainer: {}\n")
    assert find_config("quickstart") == Path("quickstart")
