"""Kill a command at its changes of files, go on as a user would, and compare with what nobody disturbed.

    python tests/commands/killing.py SCENARIO MOMENTS SEED

It runs in the current folder and prints a line for every moment after which something was lost or left over. Everything
is imported once; each command runs in a forked copy.
"""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import torch
import yaml

from hqlm.commands import compare, fit, main, study, study_run  # noqa: F401 (imported once, for all copies)
from hqlm.files import LOCK
from tests.commands.conftest import SMALL
from tests.commands.test_study_run import BASE, STUDY
from tests.kill_points import in_a_copy

TRAINING = [
    "--model.head=LinearHead", *SMALL, "--data.limit_train=32", "--data.limit_val=8", "--data.limit_test=8",
    "--model.text_encoder.dim=4", "--trainer.log_every_n_steps=1",
]  # fmt: skip
COMPARISON = [
    "--model=TextModel", *TRAINING[1:], "--model.head.feature_encoder.n_qubits=3",
    "--model.head.feature_encoder.n_layers=1", "--heads=LogisticRegressionHead", "--trainer.max_epochs=1",
    "--plugins=tests.studies.inline", "--executor=InlineExecutor",
]  # fmt: skip
TIMES = {"seconds", "training_seconds", "step_seconds", "sentences_per_second", "ended"}
TIMED = {"log.txt", "table.md", "comparison.json"}  # files full of times; that they are there is all that is compared


def fit_again():
    """What the user does after a kill: go on, or start again where nothing is to go on from."""
    begun = Path("runs/x/checkpoints/last.ckpt").is_file()
    if not begun and list(Path("runs/x/checkpoints").glob("best*.ckpt")):
        shutil.rmtree("runs/x")  # which is refused as long as that is there
    return main(["fit", *TRAINING, "--name=x", *(["--ckpt_path=last"] if begun else [])])


def compare_again():
    return main(["compare", *COMPARISON, "--name=x", "--seeds=[0]"])


def study_again():
    return main(["study", "run", "--config=tiny.yaml"])


def write_study():
    base = {**BASE, "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}}
    Path("base.yaml").write_text(yaml.safe_dump(base))
    factors = {"model.head.reuploading": ["RepeatedUpload", "SingleUpload"]}
    Path("tiny.yaml").write_text(yaml.safe_dump({**STUDY, "factors": factors}))


def test_again():
    folder = Path("runs/x/test-1")
    if (folder / "metrics.json").is_file():
        (folder / LOCK).unlink(missing_ok=True)
        return 0  # it was killed when the folder was whole
    if (folder / "predictions.tsv").is_file():
        shutil.rmtree(folder)  # which the next test leaves alone
    return main(["test", "--ckpt_path=x"])


SCENARIOS = {
    "fit": (lambda: None, fit_again),
    "test": (lambda: in_a_copy(fit_again, Path.cwd()), test_again),
    "compare": (lambda: None, compare_again),
    "study": (write_study, study_again),
}


def content(folder):
    """A digest of every file below a folder, hidden ones too, without times and the name of the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.startswith("cache"):
            continue
        data = path.read_bytes().replace(str(folder).encode(), b"")
        if path.suffix == ".ckpt":
            data = checkpoint(path)
        elif path.name in TIMED:
            data = b""
        elif path.suffix == ".json":
            data = json.dumps(timeless(json.loads(data))).encode()
        found[name] = hashlib.sha256(data).hexdigest()
    found["folders"] = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir())
    return found


def checkpoint(path):
    found = torch.load(path, weights_only=True)
    kept = {key: found[key] for key in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers")}
    return repr(kept).encode() + b"".join(value.numpy().tobytes() for value in found["state_dict"].values())


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    return value


def in_folder(folder, action, at=None):
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    with open("out.txt", "a") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        ended = in_a_copy(action, folder, at)
    if ended[0] not in (0, -signal.SIGKILL):
        sys.exit(f"{folder.name}: exit code {ended[0]}\n{Path('out.txt').read_text()}")
    Path("out.txt").unlink()
    return ended


def run(scenario, moments, seed):
    torch.set_num_threads(1)
    prepare, again = SCENARIOS[scenario]
    top = Path.cwd()
    os.environ["HQLM_CACHE"] = str(top / "cache")

    def prepared(name):
        (top / name).mkdir()
        os.chdir(top / name)
        with contextlib.redirect_stdout(sys.stderr):
            prepare()
        return top / name

    in_folder(prepared("warm-up"), again)  # fills the caches
    whole = prepared("whole")
    _, changes = in_folder(whole, again)
    expected = content(whole)
    every = range(1, changes + 1)
    chosen = every if moments == "all" else sorted(random.Random(seed).sample(every, int(moments)))
    for at in chosen:
        folder = prepared(f"at{at}")
        code, _ = in_folder(folder, again, at)
        if code != -signal.SIGKILL:
            print(f"{at}: not killed")
        in_folder(folder, again)
        found = content(folder)
        if found != expected:
            lacking = {key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)}
            print(f"{at}: {sorted(lacking)} {found['folders'] if 'folders' in lacking else ''}")
        shutil.rmtree(folder)
    print(f"killed at {len(chosen)} of {changes} changes")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
