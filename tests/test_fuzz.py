"""Whatever users and files hand over, a command ends with exit code 0 or 2 and a sentence.

Every case mutates one thing at random, by a seed that its failure names: flags, configuration files, data, Hamiltonians
and graphs, checkpoints, saved models, study files and study folders. A case may not end in a traceback, take 20
seconds or 1 GiB more memory, run what a file names, or leave a file behind that is half written.
"""

from __future__ import annotations

import copy
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import yaml

from hqlm.commands import main
from tests.commands.conftest import TINY

GROUP = 25  # cases of one test
FAST = range(24)  # 600 cases
SLOW = range(1_000, 1_032)  # 800 more
SECONDS = 20
KIBIBYTES = 1 << 20
ADDRESSES = 16 << 30  # bytes; torch and numba reserve several gigabytes that they never touch

WORDS = [
    "", "null", "true", "-1", "0", "1", "2", "0.5", "-0.0", "1e-300", "1e20", "1e308", "nan", ".nan", ".inf", "-.inf",
    "10000", "1000000000", "2147483648", "9223372036854775808", "1" * 5_000, "[]", "[1, 2]", "{}", "{a: 1}", "[[[]]]",
    "[" * 3_000, "{class_path: os.system}", "{class_path: torch.optim.Adam}", "{class_path: HashingEncoder}",
    "{class_path: payload.Payload}", "{class_path: nowhere.Nothing, init_args: {a: 1}}", "{init_args: {}}",
    "{class_path: 3}", "{class_path: null}", "os.system", "payload", "payload.run", "hqlm", "HashingEncoder", "Adam",
    "auto", "none", "word", "two words", "a\tb", "a\nb", "\N{GRINNING FACE}", "\ud83d", "x" * 5_000, "../..", "/",
    "/dev/null", "&a [*a]", "!!python/name:os.system", "%", "'", '"', "\\", "-", "--", "=", "@", "~",
    "2020-01-01", "0x10",
]  # fmt: skip
VALUES = [
    None, True, False, -1, 0, 1, 3, 10**4, 10**9, 2**31, 2**63, 10**20, 0.5, -0.5, 1e-300, 1e20, 1e308,
    float("nan"), float("inf"), "", "word", "a\tb", "\N{GRINNING FACE}", "x" * 5_000, "os.system", "payload.run",
    "payload", [], [1, 2], ["a", "b"], {}, {"a": 1},
    {"class_path": "os.system", "init_args": {"command": "touch executed"}},
    {"class_path": "payload.Payload"}, {"class_path": "payload.run", "init_args": {}}, {"class_path": 3},
]  # fmt: skip
PAYLOAD = "from pathlib import Path\nPath('executed').touch()\ndef run(*args, **kwargs): ...\nclass Payload: ...\n"
LIMITS = [  # whatever a case asks for, little of it is trained
    "--trainer.max_steps=2",
    "--trainer.limit_train_batches=2",
    "--trainer.limit_val_batches=1",
    "--trainer.limit_test_batches=1",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.enable_progress_bar=false",
]
INLINE = ["--plugins=tests.studies.inline", "--executor=InlineExecutor"]
ONE_BASELINE = ["--seeds=0", "--heads=LogisticRegressionHead", *INLINE]
VQE = ["--model=VQE", "--model.steps_per_epoch=2", "--model.problem=HamiltonianFile", "--model.problem.path=problem"]
QAOA = ["--model=QAOA", "--model.steps_per_epoch=2", "--model.problem=MaxCut", "--model.problem.path=problem"]
HAMILTONIAN = {"ZZI": 1.0, "IZZ": -0.5, "XII": 0.25}
GRAPH = {
    "directed": False,
    "multigraph": False,
    "graph": {},
    "nodes": [{"id": 0}, {"id": 1}, {"id": 2}],
    "edges": [{"source": 0, "target": 1, "weight": 1.0}, {"source": 1, "target": 2}],
}
STUDY = {
    "base": "base.yaml",
    "design": {"class_path": "FullFactorial", "init_args": {}},
    "factors": {"model.head.reuploading": ["RepeatedUpload", "SingleUpload"], "model.optimizer.lr": [0.1, 0.01]},
    "overrides": {"model.head.readout": "all"},
    "seeds": [0],
    "plugins": ["tests.studies.inline"],
    "executor": "InlineExecutor",
    "response": "test/acc",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A folder with a trained run, a saved model, a finished study, data, and the resolved configuration of the run."""
    folder = tmp_path_factory.mktemp("originals")
    with _working_in(folder):
        Path("data").mkdir()
        rows = [
            f"{word} film {number}\t{label}"
            for number, (word, label) in enumerate([("good", "yes"), ("bad", "no")] * 8)
        ]
        for split in ("train", "dev", "test"):
            Path(f"data/{split}.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
        assert main(["fit", *TINY, "--name=tiny", "--trainer.max_epochs=1"]) == 0
        import hqlm

        hqlm.load("tiny").save_pretrained("saved")
        config = yaml.safe_load(Path("runs/tiny/config.yaml").read_text())
        Path("base.yaml").write_text(yaml.safe_dump(_short(config)))
        Path("study.yaml").write_text(yaml.safe_dump(STUDY))
        assert main(["study", "run", "--config=study.yaml"]) == 0
    return folder, config


def _short(config):
    config = copy.deepcopy(config)
    config["trainer"] |= {"max_epochs": 1, "devices": 1, "limit_train_batches": 2, "limit_val_batches": 1}
    return config


def _leaves(value, path=()):
    """Paths of all leaves, and of everything above them."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _leaves(item, (*path, key))


def _mutate(draw, document):
    """`document` with one to three changes: a value replaced, removed, repeated under another key, or wrapped."""
    changed = copy.deepcopy(document)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        paths = list(_leaves(changed))
        if not paths:
            break
        *above, last = draw.choice(paths)
        parent = changed
        for key in above:
            parent = parent[key]
        kind = draw.choice(["replace"] * 6 + ["remove", "wrap", "rename"])
        if kind == "replace":
            parent[last] = copy.deepcopy(draw.choice(VALUES))
        elif kind == "wrap":
            parent[last] = [parent[last]]
        elif kind == "remove":
            del parent[last]
        elif isinstance(parent, dict):
            parent[f"{last}z"] = parent.pop(last)
    return changed


def _damage(draw, data):
    """`data` with a few bytes changed, cut off, repeated or put in."""
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        place = draw.randrange(len(data) + 1)
        kind = draw.choice(["byte", "cut", "repeat", "insert"])
        if kind == "byte" and place < len(data):
            data[place] = draw.randrange(256)
        elif kind == "cut":
            del data[place:]
        elif kind == "repeat":
            data[place:place] = data[place : place + 200] * draw.choice([1, 2, 50])
        else:
            data[place:place] = draw.choice(
                [b"\x00", b"\xff\xfe", b'"', b"\t", b"\r", b"\n\n", b"=1+1\t", b"[" * 5_000]
            )
    return bytes(data)


def _flags(draw, config):
    sections = {
        name: value for name, value in config.items() if name in ("trainer", "model", "data", "seed_everything")
    }
    paths = [".".join(str(key) for key in path if key != "init_args") for path in _leaves(sections)]
    keys = [path.removesuffix(".class_path") for path in paths]
    return [f"--{draw.choice(keys)}={draw.choice(WORDS)}" for _ in range(draw.choice([1, 1, 1, 2, 3]))]


def case_flags(draw, config):
    return ["fit", *TINY, *_flags(draw, config), *LIMITS]


def case_evaluation(draw, config):
    return [draw.choice(["test", "validate", "predict"]), "--ckpt_path=tiny", *_flags(draw, config)]


def case_other_commands(draw, config):
    compare = ["compare", *TINY, *ONE_BASELINE]
    command = draw.choice([["cost", *TINY], ["components"], compare, ["study", "report"], ["fit"]])
    flag = draw.choice(["seeds", "draws", "heads", "json", "devices", "name", "plugins", "config", "check"])
    return [*command, f"--{flag}={draw.choice(WORDS)}", "--trainer.max_steps=2"]


def case_configuration(draw, config):
    text = yaml.safe_dump(_mutate(draw, _short(config)), allow_unicode=True)
    if draw.random() < 0.3:
        Path("mutated.yaml").write_bytes(_damage(draw, text.encode("utf-8", "surrogatepass")))
    else:
        Path("mutated.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    return ["fit", "--config=mutated.yaml", *LIMITS]


def case_data(draw, config):
    table = Path("data/train.tsv").read_text()
    rows = [dict(zip(("text", "label"), line.split("\t"), strict=True)) for line in table.splitlines()[1:]]
    kind = draw.choice(["tsv", "csv", "jsonl"])
    split = draw.choice(["train", "dev", "test"])
    if kind == "jsonl":
        lines = [json.dumps(_mutate(draw, row) if draw.random() < 0.1 else row) for row in rows]
        data = ("\n".join(lines) + "\n").encode()
    else:
        data = (table if kind == "tsv" else table.replace("\t", ",")).encode()
    Path(f"data/{split}.tsv").unlink()
    Path(f"data/{split}.{kind}").write_bytes(_damage(draw, data) if draw.random() < 0.7 else data)
    data_flags = ["--data=FileData", "--data.folder=data"]
    if split == "test":
        return [draw.choice(["test", "predict"]), "--ckpt_path=tiny", *data_flags]
    small = [flag for flag in TINY if not flag.startswith("--data")]
    return ["fit", *small, *data_flags, *LIMITS]


def case_problem(draw, config):
    flags, document = draw.choice([(VQE, HAMILTONIAN), (QAOA, GRAPH)])
    suffix = draw.choice([".json", ".yaml"] if flags is VQE else [".json"])
    changed = _mutate(draw, document)
    text = json.dumps(changed) if suffix == ".json" else yaml.safe_dump(changed)
    data = text.encode()
    Path(f"problem{suffix}").write_bytes(_damage(draw, data) if draw.random() < 0.3 else data)
    return ["fit", *flags[:-1], f"{flags[-1]}{suffix}", *LIMITS]


def case_checkpoint(draw, config):
    [file] = Path("runs/tiny/checkpoints").glob("best*.ckpt")
    if draw.random() < 0.2:
        file.write_bytes(_damage(draw, file.read_bytes()))
    else:
        checkpoint = torch.load(file, weights_only=True)
        section = draw.choice(["hyper_parameters"] * 6 + ["state_dict", "loops", "callbacks", "optimizer_states", None])
        if section is None:
            checkpoint = _mutate(draw, checkpoint)
        elif isinstance(checkpoint.get(section), dict | list):
            checkpoint[section] = _mutate(draw, checkpoint[section])
        torch.save(checkpoint, file)
    if draw.random() < 0.2:
        shutil.copy(file, "runs/tiny/checkpoints/last.ckpt")
        return ["fit", "--name=tiny", "--ckpt_path=last", "--trainer.max_epochs=2"]
    return [draw.choice(["test", "predict", "validate"]), "--ckpt_path=tiny"]


def case_run_folder(draw, config):
    file = Path("runs/tiny/config.yaml")
    file.write_text(yaml.safe_dump(_mutate(draw, config)))
    if draw.random() < 0.3:
        file.write_bytes(_damage(draw, file.read_bytes()))
    return [draw.choice(["test", "predict", "validate"]), "--ckpt_path=tiny"]


def case_saved_model(draw, config):
    file = Path("saved") / draw.choice(["config.json", "config.json", "model.safetensors"])
    if file.suffix == ".json" and draw.random() < 0.8:
        file.write_text(json.dumps(_mutate(draw, json.loads(file.read_text()))))
    else:
        file.write_bytes(_damage(draw, file.read_bytes()))
    return [draw.choice(["test", "predict"]), "--ckpt_path=saved", "--data=FileData", "--data.folder=data"]


def case_study_file(draw, config):
    text = yaml.safe_dump(_mutate(draw, STUDY), allow_unicode=True)
    data = text.encode("utf-8", "surrogatepass")
    Path("mutated.yaml").write_bytes(_damage(draw, data) if draw.random() < 0.2 else data)
    return ["study", "run", "--config=mutated.yaml", "--dry-run"]


def case_study_folder(draw, config):
    files = sorted(file for file in Path("studies/study").rglob("*") if file.suffix in {".json", ".csv", ".yaml"})
    file = draw.choice(files)
    if file.suffix == ".json" and draw.random() < 0.7:
        file.write_text(json.dumps(_mutate(draw, json.loads(file.read_text()))))
    elif file.suffix == ".yaml" and draw.random() < 0.7:
        file.write_text(yaml.safe_dump(_mutate(draw, yaml.safe_load(file.read_text()))))
    else:
        file.write_bytes(_damage(draw, file.read_bytes()))
    return ["study", "report", "studies/study"]


BY_USERS = [  # whose word counts
    case_flags,
    case_flags,
    case_configuration,
    case_evaluation,
    case_other_commands,
    case_study_file,
]
BY_FILES = [case_data, case_problem, case_checkpoint, case_run_folder, case_saved_model, case_study_folder]
# libraries warn of odd settings, as they do a user: that a run was moved, or that overfitting needs no shuffling
pytestmark = pytest.mark.filterwarnings("default::UserWarning")


@pytest.mark.parametrize("seed", FAST)
def test_no_input_ends_in_anything_but_a_sentence(originals, tmp_path, monkeypatch, capfd, seed):
    _run_cases(originals, tmp_path, monkeypatch, capfd, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLOW)
def test_no_input_of_many_more_ends_in_anything_but_a_sentence(originals, tmp_path, monkeypatch, capfd, seed):
    _run_cases(originals, tmp_path, monkeypatch, capfd, seed)


def _run_cases(originals, tmp_path, monkeypatch, capfd, seed):
    folder, config = originals
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    failures = []
    for number in range(GROUP):
        draw = random.Random(f"{seed}-{number}")
        make = draw.choice(BY_USERS if draw.random() < 0.5 else BY_FILES)
        with _working_in(tmp_path / f"case-{number}", folder):
            args = make(draw, config)
            failure = _failure(args, capfd, runs_files=make in BY_USERS)
            if failure:
                shown = [arg if len(arg) < 100 else f"{arg[:97]}..." for arg in args if arg not in TINY + LIMITS]
                failures.append(f"seed {seed}-{number}, {make.__name__}: {shown}\n{failure}")
        shutil.rmtree(tmp_path / f"case-{number}")
    assert not failures, f"{len(failures)} of {GROUP} cases failed\n" + "\n\n".join(failures)


@contextmanager
def _working_in(folder, originals=None):
    """A folder as the working directory, from which plugins can be imported, with a copy of `originals` in it."""
    before = Path.cwd()
    folder.mkdir(exist_ok=True)
    if originals is not None:
        shutil.copytree(originals, folder, dirs_exist_ok=True)
        (folder / "payload.py").write_text(PAYLOAD)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        sys.modules.pop("payload", None)


def _failure(args, capfd, runs_files):
    """Why the command line `args` did not end as it must; empty where it did."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, hard))  # what takes more fails, and harms no other process
    started = time.process_time()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(3 * SECONDS)  # other processes take their share
    try:
        code = main(args)
    except BaseException as error:
        place = error.__traceback__
        while place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
        return f"{type(error).__name__}: {str(error)[:300]} at {where}"
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        said = capfd.readouterr()
    if code not in (0, 2) and not (code == 1 and args[0] == "study"):  # 1: some of the trials would fail
        return f"exit code {code}: {said.err[-300:]}"
    if code == 2 and len(said.err) > 5_000:
        return f"{len(said.err)} letters of message: {said.err[:300]}"
    if "Traceback" in said.err + said.out:
        return f"a traceback is printed: {said.err[-300:]}"
    if time.process_time() - started > SECONDS:
        return f"{time.process_time() - started:.0f} s"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    if grown > KIBIBYTES:
        return f"{grown / KIBIBYTES:.1f} GiB more memory"
    if not runs_files and Path("executed").exists():
        return "what a file names was run"
    left = [str(file) for file in Path().rglob("*") if file.suffix in {".part", ".old", ".tmp"}]
    return f"left behind: {left}" if left else ""


def _give_up(signum, frame):
    raise TimeoutError("it hangs")
