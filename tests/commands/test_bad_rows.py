"""Rows and rates that no model can learn from: a sentence in the user's words, exit code 2, nothing spoilt."""

from pathlib import Path

import pytest
import torch

from tests.commands.conftest import TINY

GOOD, BAD = [f"good film {n}\tpositive" for n in range(8)], [f"dull film {n}\tnegative" for n in range(8)]
MODEL = [flag for flag in TINY if not flag.startswith("--data")]


@pytest.fixture
def rows():
    """Write the files of a split each and return the flags that name them."""

    def write(**splits):
        for split, lines in splits.items():
            Path(f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
        return [*MODEL, "--data=FileData", "--data.folder=.", "--name=bad"]

    return write


@pytest.mark.parametrize(
    ("train", "flag", "said"),
    [
        (
            GOOD + BAD[:3],
            "--data.samples_per_class=5",
            "of train.tsv has 3 rows to train on. Set it to 3 or less",
        ),
        (GOOD, "--data.seed=0", "all rows of train.tsv have the label 'positive'; two classes are needed"),
        (GOOD + BAD, "--data.limit_train=1", "of 16 rows of train.tsv 1 are left to train on, all of one class"),
        ([*GOOD, *BAD, "\tpositive"], "--data.seed=0", "train.tsv has rows without text: row 18. Remove or fill them"),
        ([*GOOD, *BAD, "fine\t"], "--data.seed=0", "train.tsv has rows without a label: row 18. Remove or fill them"),
        (["same\tpositive", "same\tnegative"] * 8, "--data.seed=0", "all 16 texts of train.tsv to train on are 'same'"),
        (
            [*GOOD, *BAD, "so so\tpositive "],
            "--data.seed=0",
            "the labels 'positive' and 'positive ', which are equal or",
        ),
    ],
    ids=["too few of a class", "one class", "one class left", "an empty text", "no label", "one text", "white space"],
)
@pytest.mark.parametrize("command", ["fit", "compare"])
def test_rows_that_teach_nothing_are_refused_before_a_run(run, rows, command, train, flag, said):
    result = run(command, *rows(train=train, dev=GOOD + BAD, test=GOOD + BAD), flag)
    assert result.code == 2
    assert result.err.startswith(f"hqlm {command}: ")
    assert said in result.err
    assert not [*Path().glob("runs/*"), *Path().glob("studies/*")]


def test_labels_that_appear_in_test_alone_are_named(run, rows):
    flags = rows(train=GOOD + BAD, dev=GOOD + BAD, test=[*GOOD, "so so\tneutral"])
    said = "test.tsv contains labels not seen in training: 'neutral' (row 10). Known classes: negative, positive"
    assert run("fit", *flags).code == 0
    tested, compared = run("test", "--ckpt_path=bad"), run("compare", *flags[:-1], "--name=compared")
    for result in (tested, compared):
        assert result.code == 2
        assert said in result.err
    assert not Path("studies/compared").exists()


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_good_checkpoint(run, rows):
    flags = rows(train=GOOD + BAD, dev=GOOD + BAD)
    result = run("fit", *flags, "--model.optimizer=SGD", "--model.optimizer.lr=1e30", "--trainer.max_epochs=9")
    assert result.code == 2
    assert "the loss on a" in result.err
    assert "at step" in result.err
    assert "Lower model.optimizer.lr" in result.err
    last = torch.load("runs/bad/checkpoints/last.ckpt", weights_only=True)
    assert all(value.isfinite().all() for value in last["state_dict"].values())
    assert not Path("runs/bad/summary.json").exists()
