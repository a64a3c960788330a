"""What changing a class by a flag or a later file does to the options beside it."""

from pathlib import Path

import yaml

from tests.commands.conftest import TINY

DRY = "--trainer.fast_dev_run=true"


def configured(run, *args):
    result = run("fit", *args, "--print_config=skip_null")
    assert result.code == 0, result.err
    return yaml.safe_load(result.out[result.out.index("seed_everything") :])["model"]["init_args"]["head"]["init_args"]


def test_an_optimizer_keeps_nothing_but_its_rate(run):
    Path("adam.yaml").write_text(
        "model: {class_path: TextModel, init_args: {optimizer: {class_path: AdamW, "
        "init_args: {lr: 0.5, weight_decay: 0.25}}}}\n"
    )
    result = run("fit", "--config=adam.yaml", *TINY, "--model.optimizer=SGD", "--model.optimizer.momentum=0.5")
    assert result.code == 0
    assert "model.optimizer: AdamW -> SGD, keeps lr=0.5, drops nothing" in result.out
    saved = yaml.safe_load(Path("runs/adam/config.yaml").read_text())["model"]["init_args"]["optimizer"]
    assert saved["class_path"] == "torch.optim.SGD"
    assert (saved["init_args"]["lr"], saved["init_args"]["momentum"], saved["init_args"]["weight_decay"]) == (
        0.5,
        0.5,
        0,
    )


def test_flags_that_stand_before_the_class_they_do_not_fit_are_said(fit):
    result = fit(DRY, "--model.head.ansatz.connectivity=3", "--model.head.ansatz=BrickWallAnsatz")
    assert result.code == 0
    assert "model.head.ansatz: RingAnsatz -> BrickWallAnsatz, keeps nothing, drops connectivity" in result.out


def test_what_a_file_set_for_another_class_is_said(run):
    Path("ring.yaml").write_text(
        "model: {head: {class_path: QuantumHead, init_args: {ansatz: {class_path: RingAnsatz, "
        "init_args: {connectivity: 3}}}}}"
    )
    result = run("fit", "--config=ring.yaml", *TINY, DRY, "--model.head.ansatz=BrickWallAnsatz")
    assert "model.head.ansatz: RingAnsatz -> BrickWallAnsatz, keeps nothing, drops connectivity" in result.out
    result = run("fit", "--config=ring.yaml", *TINY, DRY, "--model.head=LinearHead")
    assert "model.head: QuantumHead -> LinearHead, keeps nothing, drops ansatz" in result.out


def test_a_later_file_may_change_a_class(run):
    Path("one.yaml").write_text("data: {class_path: ReviewsData, init_args: {limit_train: 64, batch_size: 8}}\n")
    Path("two.yaml").write_text("data: {class_path: FileData, init_args: {folder: '.'}}\n")
    Path("train.tsv").write_text("text\tlabel\n" + "good\tyes\nbad\tno\n" * 20)
    result = run(
        "fit", "--config=one.yaml", "--config=two.yaml", *(flag for flag in TINY if flag.startswith("--model")), DRY
    )
    assert "data: ReviewsData -> FileData, keeps batch_size=8, limit_train=64, drops nothing" in result.out


def test_null_can_be_given_as_a_flag_and_in_a_file(run):
    model = ["--model=TextModel", "--model.head.execution.noise.readout=0.1", "--model.head.execution.shots=5"]
    Path("null.yaml").write_text("model: {head: {execution: {shots: null}}}\n")
    Path("shots.yaml").write_text("model: {head: {execution: {shots: 7}}}\n")
    assert configured(run, *model)["execution"]["shots"] == 5
    for args in (
        [*model, "--model.head.execution.shots=null"],
        ["--config=shots.yaml", "--config=null.yaml", *model[:2]],
    ):
        execution = configured(run, *args)["execution"]
        assert "shots" not in execution  # nulls are left out of what is printed
        assert execution["noise"]["readout"] == 0.1


def test_a_preset_of_noise_and_single_probabilities(run, fit):
    preset, single = "--model.head.execution.noise=ionq_forte", "--model.head.execution.noise.readout=0.1"
    Path("preset.yaml").write_text("model: {head: {execution: {noise: ionq_forte}}}\n")
    Path("single.yaml").write_text("model: {head: {execution: {noise: {readout: 0.2, one_qubit: 0.3}}}}\n")
    for args in ([preset, single], [single, preset], ["--config=preset.yaml", single]):
        result = fit(DRY, *args)
        assert result.code == 2
        assert "model.head.execution.noise.readout is set in addition to the preset" in result.err
    model = "--model=TextModel"
    assert configured(run, model, preset)["execution"]["noise"] == "ionq_forte"
    assert configured(run, model, single)["execution"]["noise"]["readout"] == 0.1
    both = configured(run, "--config=single.yaml", single)["execution"]["noise"]
    assert (both["readout"], both["one_qubit"]) == (0.1, 0.3)
    assert configured(run, "--config=single.yaml", "--config=preset.yaml")["execution"]["noise"] == "ionq_forte"
    replaced = configured(run, "--config=preset.yaml", "--model.head.execution.noise={one_qubit: 0.5}")
    assert replaced["execution"]["noise"]["one_qubit"] == 0.5
