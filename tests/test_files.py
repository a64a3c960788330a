"""Documents from elsewhere are plain data of bounded size, or refused; files are written whole, by one process."""

import errno
import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml
from jsonargparse import get_loader

from hqlm import files
from hqlm.errors import DocumentError, FolderInUse, StorageError, user_mistake
from hqlm.files import (
    append_text,
    atomic_file,
    atomic_folder,
    check_plain,
    lock_folder,
    parse_argument,
    parse_json,
    parse_yaml,
    recover_folder,
    write_text,
    yaml_line,
)
from tests.kill_points import in_a_copy

CYCLE = "&a [1, *a]"
LAUGHS = "a0: &a0 [1]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 30))


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_json, "[" * 100_000, "nested too deeply"),
        (parse_json, "[" * 300 + "]" * 300, "nested too deeply"),
        (parse_yaml, "[" * 100_000, "nested too deeply"),
        (parse_yaml, "- " * 100_000 + "1", "nested too deeply"),
        (parse_yaml, CYCLE, "within that value itself"),
        (parse_yaml, "a: &a {b: *a}", "within that value itself"),
        (parse_yaml, LAUGHS, "contains more than"),
        (parse_json, "9" * 5_000, "integer of more than 4,300 digits"),
        (parse_yaml, "9" * 5_000, "integer of more than 4,300 digits"),
        (parse_json, '{"text": "ok \\ud83d x"}', "surrogate"),
        (parse_json, '{"\\ud83d": 1}', "surrogate"),
        (parse_json, "{", "not valid JSON"),
        (parse_yaml, "{", "not valid YAML"),
        (parse_yaml, "!!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_documents_that_are_no_plain_data_are_refused_at_once(parse, text, words):
    started = time.monotonic()
    with pytest.raises(DocumentError, match=words) as caught:
        parse(text, "the file x")
    assert time.monotonic() - started < 10
    assert str(caught.value).startswith("the file x")
    assert len(str(caught.value)) < 500


def test_good_documents_pass_unchanged():
    value = {"a": [1, 2.5, None, True, "\U0001f600"], "b": {"c": []}}
    assert parse_json(json.dumps(value), "x") == value
    assert parse_yaml(json.dumps(value, ensure_ascii=False), "x") == value
    assert parse_yaml("a: &a [1, 2]\nb: *a", "x") == {"a": [1, 2], "b": [1, 2]}  # an alias is no cycle


def test_values_made_in_python_are_checked_too():
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(DocumentError, match="within that value itself"):
        check_plain(cycle, "the configuration")


def fill(folder, word):
    for number in range(2):
        (folder / f"{number}.txt").write_text(word)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def replace(folder, word):
    with atomic_folder(folder) as part:
        fill(part, word)


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_folder_is_replaced_whole_wherever_its_writer_is_killed(tmp_path, monkeypatch, exchanges, before):
    if not exchanges:  # as on NFS
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    (tmp_path / "0").mkdir()
    code, changes = in_a_copy(lambda: replace(tmp_path / "0/out", "new"), tmp_path)
    assert (code, changes >= 4) == (0, True)
    killed = 0
    for at in range(1, 20):
        folder = tmp_path / str(at) / "out"
        folder.parent.mkdir()
        if before:
            replace(folder, before)
        code, _ = in_a_copy(lambda folder=folder: replace(folder, "new"), folder.parent, at)
        killed += code == -signal.SIGKILL
        recover_folder(folder)
        found = content(folder) if folder.exists() else None
        assert found in [before and dict.fromkeys(["0.txt", "1.txt"], before), dict.fromkeys(["0.txt", "1.txt"], "new")]
        replace(folder, "newest")
        assert content(folder) == dict.fromkeys(["0.txt", "1.txt"], "newest")
        assert os.listdir(folder.parent) == ["out"]
    assert 4 <= killed < 19


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
def test_a_folder_of_many_writers_is_that_of_one_of_them(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    failures = []

    def write(word):
        try:
            for _ in range(30):
                replace(tmp_path / "out", word)
        except Exception as err:
            failures.append(err)

    threads = [threading.Thread(target=write, args=(word,)) for word in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert content(tmp_path / "out") in [dict.fromkeys(["0.txt", "1.txt"], word) for word in "abcd"]
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    replace(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "target") == dict.fromkeys(["0.txt", "1.txt"], "new")


def test_what_a_killed_writer_left_goes_with_the_next_one_and_what_a_live_one_writes_stays(tmp_path):
    for at in range(1, 3):
        in_a_copy(lambda: write_text(tmp_path / "x.txt", "x"), tmp_path, at)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    with atomic_file(tmp_path / "other.txt") as part:
        part.write_text("mine")
        code, _ = in_a_copy(lambda: write_text(tmp_path / "x.txt", "y"), tmp_path)
        assert code == 0
        write_text(tmp_path / "z.txt", "z")
    assert content(tmp_path) == {"x.txt": "y", "other.txt": "mine", "z.txt": "z"}


def test_a_number_of_a_process_that_is_given_again_hides_no_leftovers(tmp_path):
    (tmp_path / f".x.txt.{files._MACHINE}-{os.getpid()}-1.part").write_text("of a process of the same number")
    write_text(tmp_path / "x.txt", "x")
    assert content(tmp_path) == {"x.txt": "x"}


def test_temporary_files_of_other_containers_stay(tmp_path, monkeypatch):
    """Where another container has the same name, its processes have numbers that mean nothing here."""
    child = subprocess.Popen(["true"])
    child.wait()
    monkeypatch.setattr(files.os, "readlink", lambda path: f"other {path}")
    other = files._machine()
    monkeypatch.undo()
    assert other != files._machine() == files._MACHINE
    (tmp_path / f".x.txt.{other}-{child.pid}-1.part").write_text("of a live process there")
    (tmp_path / f".y.txt.{files._MACHINE}-{child.pid}-1.part").write_text("of a dead process here")
    write_text(tmp_path / "z.txt", "z")
    assert sorted(os.listdir(tmp_path)) == [f".x.txt.{other}-{child.pid}-1.part", "z.txt"]


def test_a_folder_that_two_processes_recover_at_once_is_recovered(tmp_path, monkeypatch):
    pid = os.getpid()  # of nobody, as this process has no such file
    for faster in (False, True):
        old = tmp_path / f".out.{files._MACHINE}-{pid}-1.old"
        old.mkdir()
        rename = Path.rename

        def lose(path, target, rename=rename):
            rename(path, target)  # the other process
            return rename(path, target)

        if faster:
            monkeypatch.setattr(Path, "rename", lose)
        recover_folder(tmp_path / "out")
        monkeypatch.undo()
        assert os.listdir(tmp_path) == ["out"]
        (tmp_path / "out").rmdir()


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_between_two_renames_loses_nothing(tmp_path, monkeypatch, at, after):
    """The renames are: refused, the old folder away, the new one in its place."""
    replace(tmp_path / "out", "old")
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    rename, seen = Path.rename, []

    def interrupt(path, target):
        seen.append(path)
        if len(seen) == at and not after:
            raise KeyboardInterrupt
        try:
            return rename(path, target)
        finally:
            if len(seen) == at:
                raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "out", "new")
    word = "new" if (at, after) == (3, True) else "old"
    assert content(tmp_path / "out") == dict.fromkeys(["0.txt", "1.txt"], word)
    assert os.listdir(tmp_path) == ["out"]


def hold(folder, stays=True):
    """A process that holds a folder until it is killed or, unless `stays`, ends."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with lock_folder(folder):
            os.write(write, b"x")
            while stays:
                time.sleep(1)
        os._exit(0)
    os.read(read, 1)
    return pid


def test_a_held_folder_is_refused_at_once_and_free_when_its_process_is_dead(tmp_path):
    folder = tmp_path / "run"
    pid = hold(folder)
    started = time.monotonic()
    with (
        pytest.raises(FolderInUse, match=f"run is in use by the process {pid} on {os.uname().nodename}"),
        lock_folder(folder),
    ):
        raise AssertionError
    assert time.monotonic() - started < 1
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with lock_folder(folder) as was_killed:
        assert was_killed
        (folder / "x").touch()
    with lock_folder(folder) as was_killed:
        assert not was_killed
        (folder / "x").unlink()
    assert os.listdir(tmp_path) == []  # nothing was written there


def test_who_waits_for_a_folder_gets_it_however_often_it_is_removed(tmp_path):
    inside, most = [], []

    def enter():
        for _ in range(40):
            with lock_folder(tmp_path / "run", wait=True):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 120
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "x.txt", "old\n")

    def fill_up():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for write in (write_text, append_text):
            with pytest.raises(OSError, match="File too large"):
                write(tmp_path / "x.txt", "n" * 5000)

    assert in_a_copy(fill_up, tmp_path)[0] == 0
    assert content(tmp_path) == {"x.txt": "old\n"}
    append_text(tmp_path / "x.txt", "new\n")
    assert content(tmp_path) == {"x.txt": "old\nnew\n"}


def test_what_the_file_system_refuses_is_said_in_a_sentence():
    full = OSError(errno.ENOSPC, "No space left on device", "runs/x/metrics.csv")
    assert str(user_mistake(full)).startswith("No space left on device: runs/x/metrics.csv. Free some space")
    hidden = RuntimeError("unexpected pos 576 vs 534")  # as torch says it
    hidden.__context__ = full
    assert isinstance(user_mistake(hidden), StorageError)
    rust = Exception("Error while serializing: I/O error: No space left on device (os error 28)")
    assert str(user_mistake(rust)).startswith("No space left on device. Free")
    with pytest.raises(OSError, match="too long") as long:
        Path("a" * 5000).touch()
    assert str(user_mistake(long.value)).endswith("Give a shorter one")
    assert user_mistake(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    assert user_mistake(KeyError("a defect")) is None


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 20_000 + "1" + "}" * 20_000, "- " * 100_000 + "1"],
    ids=["lists", "mappings", "lists of lines"],
)
def test_the_loader_of_configurations_survives_what_is_nested_too_deep(text):
    with pytest.raises(DocumentError, match="nested too deeply"):
        parse_yaml(text, "x", get_loader("yaml"))


@pytest.mark.parametrize(
    "value",
    [
        [1e-05, -1e22, 5e-324, 1.7976931348623157e308, 1.5e-07, 1e15, 1e16, 0.0, -0.0, 100.0],
        "\U0001f600",
        'a\x85b\u2028c\x7f\ufeff\uffff\t\n\0"\\\u00e9',
        {"\U0001f600": [1.5, True, None, float("inf"), -float("inf"), -3, 1e-3, 1e22], "b": {"~": {}}},
        ["1e3", "null", "true", "~", "#x", ": ", "", "- a", "*a", "2020-01-01", ".nan", []],
        10**30,
    ],
)
def test_yaml_lines_are_read_back_as_they_were(value):
    line = yaml_line(value)
    for load in (get_loader("yaml"), yaml.safe_load):
        assert repr(load(line)) == repr(value)  # of the same types
    assert "\n" not in line


def test_numbers_that_are_none_are_read_back():
    assert str(get_loader("yaml")(yaml_line({"a": float("nan")}))) == "{'a': nan}"


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("[1, a]", [1, "a"]), ("[1", "[1"), ("a: b: c", "a: b: c")])
def test_an_argument_is_yaml_or_a_text(text, value):
    assert parse_argument(text, "--x", get_loader("yaml")) == value


@pytest.mark.parametrize("text", ["!!set {a}", "2020-01-01"])
def test_values_of_other_types_are_refused_by_name(text):
    with pytest.raises(DocumentError, match=r"x contains a (set|date)"):
        parse_yaml(text, "x")
