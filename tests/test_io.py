"""Checkpoints and runs from Python."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import hqlm
from hqlm.errors import CheckpointError
from hqlm.files import write_text
from hqlm.io import CheckpointFiles
from hqlm.run import find_checkpoint, run_folder
from tests.commands.conftest import ROOT, fit, run, trained  # noqa: F401 (fixtures)


def test_importing_hqlm_loads_neither_torch_nor_lightning():
    code = "import sys, hqlm; hqlm.__version__; assert not {'torch', 'lightning', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_unknown_names_are_no_attributes():
    with pytest.raises(AttributeError, match="lod"):
        hqlm.lod  # noqa: B018


def test_a_loaded_model_predicts_as_the_command_does(run, trained):  # noqa: F811
    run("predict", "--ckpt_path=tiny")
    lines = (trained / "predict-1/predictions.tsv").read_text().splitlines()[1:]
    model = hqlm.load(trained)
    predictions = model.predict([line.split("\t")[0] for line in lines])
    assert not model.training
    for line, prediction in zip(lines, predictions, strict=True):
        _, _, predicted, negative, positive = line.split("\t")
        assert prediction.label == predicted
        assert prediction.probabilities == pytest.approx(
            {"negative": float(negative), "positive": float(positive)}, abs=1e-5
        )


def test_a_run_means_its_best_checkpoint(trained):  # noqa: F811
    best = find_checkpoint(trained)
    assert best.name.startswith("best-")
    assert find_checkpoint("tiny") == best
    assert find_checkpoint("tiny", "last").name == "last.ckpt"
    assert str(best.resolve()) == json.loads((trained / "summary.json").read_text())["checkpoint"]
    assert run_folder(best) == trained.absolute()
    assert torch.equal(hqlm.load("tiny").head.linear.weight, hqlm.load(best).head.linear.weight)


def test_of_two_best_checkpoints_the_newer_one_counts(tmp_path):
    """A run that is killed while it replaces one leaves both."""
    (tmp_path / "checkpoints").mkdir()
    for seconds, name in ((2000, "best-epoch03-acc0.9000.ckpt"), (1000, "best-epoch07-acc0.8000.ckpt")):
        (tmp_path / "checkpoints" / name).touch()
        os.utime(tmp_path / "checkpoints" / name, (seconds, seconds))
    assert find_checkpoint(tmp_path).name == "best-epoch03-acc0.9000.ckpt"
    assert run_folder(tmp_path / "alone.ckpt") == tmp_path


def test_a_missing_run(run):  # noqa: F811
    with pytest.raises(CheckpointError, match="no checkpoint 'nobody'"):
        hqlm.load("nobody")


def test_weights_that_do_not_fit(trained):  # noqa: F811
    checkpoint = torch.load(find_checkpoint(trained), weights_only=True)
    del checkpoint["state_dict"]["head.linear.bias"]
    torch.save(checkpoint, "bad.ckpt")
    with pytest.raises(CheckpointError, match="do not fit TextModel"):
        hqlm.load("bad.ckpt")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.ckpt"
    CheckpointFiles().save_checkpoint({"a": 1}, path)

    def fail(obj, target):
        target.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        CheckpointFiles().save_checkpoint({"a": 2}, path)
    assert torch.load(path, weights_only=True) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.ckpt"]
    write_text(tmp_path / "y.txt", "é")
    assert (tmp_path / "y.txt").read_text(encoding="utf-8") == "é"

    def half(target, text, encoding):
        target.write_bytes(text[:1].encode(encoding))
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="disk full"):
        write_text(tmp_path / "y.txt", "new")
    assert (tmp_path / "y.txt").read_text(encoding="utf-8") == "é"
    assert sorted(os.listdir(tmp_path)) == ["x.ckpt", "y.txt"]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("depth", [0.25, 0.5, 0.75])
def test_a_damaged_checkpoint_never_loads_other_weights(trained, tmp_path, place, depth):  # noqa: F811
    """Flip a byte of what is stored: the file is refused, whether torch could have read it or not."""
    whole = find_checkpoint(trained)
    with zipfile.ZipFile(whole) as archive:
        parts = [part for part in archive.infolist() if part.file_size >= 64]
        part = parts[int(place * len(parts))]
    data = bytearray(whole.read_bytes())
    start = part.header_offset + 30 + int.from_bytes(data[part.header_offset + 26 : part.header_offset + 28], "little")
    start += int.from_bytes(data[part.header_offset + 28 : part.header_offset + 30], "little")
    data[start + int(depth * part.file_size)] ^= 0xFF
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        hqlm.load(damaged)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 and rubbish"])
def test_a_file_that_is_no_checkpoint_is_refused_without_bad_advice(tmp_path, content):
    path = tmp_path / "no.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read the checkpoint") as refused:
        hqlm.load(path)
    assert "weights_only" not in str(refused.value)


def test_a_folder_of_data_does_not_hide_the_run_of_its_name(trained):  # noqa: F811
    Path("tiny").mkdir()
    assert find_checkpoint("tiny").resolve() == find_checkpoint(trained).resolve()


def test_only_checkpoints_of_the_run_or_of_this_process_are_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "runs/r"
    checkpoints, elsewhere = own / "checkpoints", tmp_path / "elsewhere"
    for folder in (checkpoints / "folder.ckpt", elsewhere):
        folder.mkdir(parents=True)
    kept = [checkpoints / "notes.txt", checkpoints / "folder.ckpt/notes.txt", elsewhere / "a.ckpt", own / "b.ckpt"]
    for file in [*kept, checkpoints / "old.ckpt"]:
        file.touch()
    (checkpoints / "link.ckpt").symlink_to(elsewhere / "a.ckpt")
    (checkpoints / "way").symlink_to(elsewhere)
    files = CheckpointFiles(checkpoints)
    named = [*kept, checkpoints / "link.ckpt", checkpoints / "way/a.ckpt", checkpoints / "../b.ckpt", elsewhere]
    named += [checkpoints / "folder.ckpt", f"local://{elsewhere}/a.ckpt", f"file://{elsewhere}", "missing.ckpt"]
    for path in named:
        files.remove_checkpoint(str(path))
        CheckpointFiles().remove_checkpoint(str(path))
    assert all(file.exists() for file in kept)
    CheckpointFiles().remove_checkpoint(checkpoints / "old.ckpt")
    assert (checkpoints / "old.ckpt").exists()
    files.remove_checkpoint(checkpoints / "old.ckpt")
    assert not (checkpoints / "old.ckpt").exists()
    files.save_checkpoint({}, elsewhere / "new.ckpt")  # of a ModelCheckpoint with a folder of its own
    files.remove_checkpoint(elsewhere / "new.ckpt")
    assert not (elsewhere / "new.ckpt").exists()
