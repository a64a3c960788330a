"""The cache of compiled kernels: for one user alone, and never a reason to fail."""

import os
import pickle
from pathlib import Path

import numba
import pytest

from hqlm.backends.kernels import cache


def plus_one(x):
    return x + 1.0


@pytest.fixture
def compiled(tmp_path, monkeypatch, capfd):
    """Call a kernel as a new process would, and return what it says on the terminal."""
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))

    def call():
        cache._say_open.cache_clear()
        assert cache.cached(numba.njit(plus_one))(1.0) == 2.0
        return capfd.readouterr().err

    return call


def files():
    return {path.suffix: path for path in cache.kernel_folder().iterdir()}


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_kernels_are_compiled_once_and_kept_for_this_user_alone(compiled):
    before = os.umask(0)
    try:
        assert "compiling the plus_one kernel" in compiled()
    finally:
        os.umask(before)
    assert compiled() == ""
    folder = cache.kernel_folder()
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "payload", "flipped"])
def test_damaged_files_are_named_and_compiled_anew(compiled, suffix, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled()
    path = files()[suffix]
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    damaged = {
        "empty": b"", "truncated": data[: len(data) // 2], "garbage": os.urandom(500), "flipped": bytes(flipped),
        "payload": pickle.dumps(Payload()),
    }  # fmt: skip
    path.write_bytes(damaged[damage])
    said = compiled()
    assert "the kept plus_one kernel is damaged" in said
    assert "compiling" in said
    assert compiled() == ""
    assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_that_others_may_write_to_is_not_read(compiled, suffix):
    compiled()
    files()[suffix].chmod(0o666)
    assert "can be written by other users" in compiled()
    assert compiled() == ""


def test_a_folder_that_others_may_write_to_is_not_read(compiled):
    compiled()
    cache.kernel_folder().chmod(0o777)
    for _ in range(2):
        said = compiled()
        assert "can be written by other users" in said
        assert "Remove it" in said
        assert "compiling" in said


def test_a_folder_of_another_user_is_not_read(compiled, monkeypatch):
    compiled()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "can be written by other users" in compiled()


def test_the_open_file_is_checked_and_not_what_its_path_now_leads_to(tmp_path, monkeypatch):
    open_to_all, private = tmp_path / "open", tmp_path / "private"
    for path, mode in ((open_to_all, 0o666), (private, 0o600)):
        path.write_bytes(cache._sealed(b"data"))
        path.chmod(mode)
    opened = Path.open

    def swap(path, *args):
        file = opened(path, *args)
        private.replace(open_to_all)
        return file

    monkeypatch.setattr(Path, "open", swap)
    with pytest.raises(cache._Damaged, match="written by other users"):
        cache._read(open_to_all)


def test_a_damaged_file_that_cannot_be_removed_is_named(compiled, monkeypatch):
    compiled()
    files()[".nbi"].write_bytes(b"garbage")

    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        said = compiled()
    assert "is damaged" in said
    assert "cannot remove the damaged file" in said
    assert "compiling" in said


def test_other_errors_than_damage_are_not_hidden(compiled, monkeypatch):
    compiled()

    def fail(data):
        raise ZeroDivisionError

    monkeypatch.setattr(cache.pickle, "loads", fail)
    with pytest.raises(ZeroDivisionError):
        compiled()
