"""Parses files from elsewhere as plain data, and writes files atomically."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import math
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml
from filelock import FileLock, Timeout

from hqlm.errors import DocumentError, FolderInUse

_MAX_DEPTH: Final = 200  # levels; configurations of hqlm have fewer than 20
_MAX_VALUES: Final = 2_000_000  # with every YAML alias counted as often as it is used
YAML_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # in YAML not allowed, or a line break
LOCK: Final = ".lock"  # lock file in a folder that a process holds
_HOST: Final = platform.node()
_TEMPORARY: Final = re.compile(r"\.([^/]+)\.([0-9a-f]{8})-(\d+)-\d+\.(part|old)")
_numbers = itertools.count(1)
_in_use: set[str] = set()  # names of the temporary files and folders of this process


def parse_json(text: str, source: str, **options: Any) -> Any:
    """Parse JSON and check the value with `check_plain`.

    Args:
        text: the document.
        source: origin of the text, for messages.
        options: passed on to `json.loads`.

    Raises:
        DocumentError: for text that is not JSON, or a value that `check_plain` rejects.
    """
    return _parse(lambda: json.loads(text, **options), source, "JSON")


def parse_yaml(text: str, source: str, load: Callable[[str], Any] = yaml.safe_load) -> Any:
    """Parse YAML and check the value with `check_plain`.

    Args:
        text: the document.
        source: origin of the text, for messages.
        load: loader, which must only create plain values.

    Raises:
        DocumentError: for text that is not YAML, or a value that `check_plain` rejects.
    """

    def parse() -> Any:
        _check_nesting(text, source)  # the loader itself would overflow the stack of the process
        return load(text)

    return _parse(parse, source, "YAML")


def parse_argument(text: str, source: str, load: Callable[[str], Any]) -> Any:
    """Return the value of a command-line argument: YAML, or the text itself if it is not YAML.

    Raises:
        DocumentError: for a value that `check_plain` rejects.
    """
    check_plain(text, source)
    try:
        return parse_yaml(text, source, load)
    except DocumentError as err:
        if isinstance(err.__cause__, yaml.YAMLError):
            return text
        raise


def check_plain(value: Any, source: str) -> None:
    """Reject a value that cannot be handled as plain data.

    Raises:
        DocumentError: for a value that is nested too deeply, contains itself, is too large once its aliases are
            expanded, or contains a text with half of a surrogate pair, which no file can store.
    """
    _count_values(value, source, 0, set(), {})


def is_storable(text: str) -> bool:
    """Return whether UTF-8 can store a text, that is, whether it contains no unpaired surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def yaml_line(value: Any) -> str:
    """Return plain data as one line of YAML, which any YAML 1.1 parser reads back unchanged.

    JSON is not used: YAML parsers reject its surrogate pairs, and read Infinity as a text.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_line(str(key))}: {yaml_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_line, value)) + "]"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        digits = float.__repr__(value)
        return digits if "." in digits else digits.replace("e", ".0e")  # 1e-05 without a point is a text
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def append_text(path: Path, text: str) -> None:
    """Append to a text file; if that fails, for example because the disk is full, nothing of `text` remains."""
    size = path.stat().st_size
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError:
        os.truncate(path, size)
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` at the end; after an error nothing remains."""
    with _temporary(path) as part:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut could leave the new name with an empty file
        part.replace(path)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which replaces `folder` at the end.

    Other processes see either the whole old folder or the whole new one. Of two writers the last one wins.
    """
    folder = folder.resolve()  # for a link, the folder that it points to
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(folder) as part:
        part.mkdir()
        yield part
        while not _take_place(part, folder):
            pass


def recover_folder(folder: Path) -> None:
    """Give a folder its name back if the process that was replacing it was killed."""
    if not folder.exists():
        _remove_leftovers(folder.absolute().parent)


def link_folder(source: Path, folder: Path) -> None:
    """Make `folder` a copy of `source` by hard links, or by copies if the file system has no links."""
    with atomic_folder(folder) as part:
        shutil.copytree(source, part, copy_function=_link, dirs_exist_ok=True)


@contextmanager
def lock_folder(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Create a folder unless it exists, and lock it for this process.

    The system releases the lock however the process ends. At the end the folder is removed if it is empty.

    Args:
        folder: folder to lock.
        wait: whether to wait for another process that holds it.

    Yields:
        Whether the process that held it before was killed.

    Raises:
        FolderInUse: if another process holds it and `wait` is false.
    """
    path = folder / LOCK
    lock = FileLock(path, blocking=wait)
    while not lock.is_locked:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:  # a file; or the folder was removed before it could be checked
            if folder.is_file() or (folder.is_symlink() and not folder.exists()):
                raise
        try:
            lock.acquire()
        except FileNotFoundError:  # the process that held it has just removed the folder
            continue
        except Timeout as err:
            raise FolderInUse(
                f"{folder} is in use by {_holder(path)}. Wait until it has finished, or give another name"
            ) from err
    try:
        was_killed = path.stat().st_size > 0
        path.write_text(f"the process {os.getpid()} on {_HOST}", encoding="utf-8")
        _remove_leftovers(folder)
        yield was_killed
    finally:
        with suppress(OSError):  # Windows does not remove open files
            path.unlink()  # before it is released, so that a waiting process sees that it has no name any more
        lock.release()
        with suppress(OSError):
            folder.rmdir()


def clear_folder(folder: Path) -> None:
    """Remove the content of a folder that this process holds."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def list_leftovers(folder: Path, names: re.Pattern[str], was_killed: bool) -> list[Path] | None:
    """Return what a killed process left in a folder, the deepest first; None if anything must be kept.

    Args:
        folder: existing folder.
        names: pattern of what the process writes before it has a result, relative to the folder. Unfinished temporary
            files also match, and the lock is skipped.
        was_killed: whether the process that held the folder was killed; otherwise everything in it is kept.
    """
    if not folder.is_dir():
        return None
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name == LOCK:
            continue
        if not was_killed or not (names.fullmatch(name) or _is_unfinished(name)):
            return None
        found.append(path)
    return sorted(found, reverse=True)


def remove_leftovers(leftovers: list[Path]) -> None:
    """Remove what `list_leftovers` returned, but nothing that was added since."""
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def _is_unfinished(name: str) -> bool:
    parts = map(_TEMPORARY.fullmatch, name.split("/"))
    return any(found is not None and found[4] == "part" for found in parts)


def _parse(parse: Callable[[], Any], source: str, language: str) -> Any:
    try:
        value = parse()
    except RecursionError as err:
        raise _too_deep(source) from err
    except DocumentError:
        raise
    except (ValueError, TypeError, yaml.YAMLError) as err:
        if "set_int_max_str_digits" in str(err):  # Python's advice for an integer that is too long to convert
            raise DocumentError(
                f"{source} contains an integer of more than {sys.get_int_max_str_digits():,} digits. Write fewer digits"
            ) from err
        if "maximum nesting depth" in str(err):  # of libyaml, since PyYAML 6.0.4
            raise _too_deep(source) from err
        raise DocumentError(f"{source} is not valid {language}: {' '.join(str(err).split())[:300]}") from err
    check_plain(value, source)
    return value


def _check_nesting(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=YAML_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _too_deep(source)


def _count_values(value: Any, source: str, depth: int, parents: set[int], known: dict[int, int]) -> int:
    """Return the number of values in `value`; a value with two references is visited once and counted twice."""
    if isinstance(value, str):
        if not is_storable(value):
            raise DocumentError(
                f"{source} contains half of a surrogate pair in the text {ascii(value)[:80]}. Write the character "
                "itself in UTF-8"
            )
        return 1
    if value is None or isinstance(value, bool | int | float):
        return 1
    if not isinstance(value, Mapping | list | tuple):
        raise DocumentError(
            f"{source} contains a {type(value).__name__}. Only texts, numbers, true, false, null, lists and mappings "
            "are allowed. Remove its tag, or quote it"
        )
    if id(value) in known:
        return known[id(value)]
    if id(value) in parents:
        raise DocumentError(f"{source} contains an alias of a value within that value itself. Remove the alias")
    if depth > _MAX_DEPTH:
        raise _too_deep(source)
    parents.add(id(value))
    items = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
    count = 1 + sum(_count_values(item, source, depth + 1, parents, known) for item in items)
    parents.discard(id(value))
    if count > _MAX_VALUES:
        raise DocumentError(f"{source} contains more than {_MAX_VALUES:,} values: it is too large for a configuration")
    known[id(value)] = count
    return count


def _too_deep(source: str) -> DocumentError:
    return DocumentError(f"{source} is nested too deeply: at most {_MAX_DEPTH} levels are allowed")


def _machine() -> str:
    """Return an id of where process ids are unique: the machine, and on Linux the container."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{_HOST} {namespace}".encode()).hexdigest()[:8]


_MACHINE: Final = _machine()


@contextmanager
def _temporary(path: Path, suffix: str = "part") -> Iterator[Path]:
    """Yield an unused path beside `path`, named by its process; settle what is there at the end."""
    part = path.with_name(f".{path.name}.{_MACHINE}-{os.getpid()}-{next(_numbers)}.{suffix}")
    _remove_leftovers(path.parent)
    _in_use.add(part.name)
    try:
        yield part
    finally:
        _settle(part, path, suffix)
        _in_use.discard(part.name)


def _settle(part: Path, path: Path, suffix: str) -> None:
    """Give a folder that was being replaced its name back, unless a new one has it; remove anything else."""
    if suffix == "old" and not path.exists():
        with suppress(FileNotFoundError):  # another process has just done it
            _rename(part, path)
    else:
        with suppress(OSError):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _remove_leftovers(folder: Path) -> None:
    """Settle the temporary files that killed processes of this machine left in a folder."""
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or found[2] != _MACHINE or path.name in _in_use or _is_alive(int(found[3])):
            continue
        _settle(path, folder / found[1], found[4])


def _is_alive(pid: int) -> bool:
    """Return whether another process has this id; a path of our own process would be known to be in use."""
    if sys.platform == "win32":  # on Windows signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _rename(one: Path, other: Path) -> bool:
    """Rename a folder; return False if another process was faster and the name exists."""
    try:
        one.rename(other)
    except OSError as err:
        if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _take_place(part: Path, folder: Path) -> bool:
    """Give a folder the name of another one; return False if another process was faster and it must be retried."""
    if _rename(part, folder) or _exchange(part, folder):
        return True
    with _temporary(folder, "old") as old, suppress(FileNotFoundError):  # file systems without it, such as NFS
        folder.rename(old)
        with suppress(OSError):  # another process was faster, or the folder stays unchanged
            part.rename(folder)
            return True
    return False


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step, if the system supports it."""
    if sys.platform != "linux":
        return False
    import ctypes

    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # glibc 2.28, musl 1.2.2
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    return bool(renameat2 and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _holder(lock: Path) -> str:
    with suppress(OSError):  # just released; or locked for readers too, on Windows
        return lock.read_text(encoding="utf-8") or "another process"
    return "another process"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links: the same bytes, twice
        shutil.copy2(source, target)
