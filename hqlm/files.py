"""Files that come from elsewhere are parsed as plain data; files of ours are written whole or not at all."""

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
LOCK: Final = ".lock"  # in a folder that a process holds
_HOST: Final = platform.node()
_TEMPORARY: Final = re.compile(r"\.([^/]+)\.([0-9a-f]{8})-(\d+)-\d+\.(part|old)")
_numbers = itertools.count(1)
_in_use: set[str] = set()  # names of the temporary files and folders of this process


def parse_json(text: str, source: str, **options: Any) -> Any:
    """Parse JSON and check the value with `check_plain`.

    Args:
        text: the document.
        source: where it comes from, for messages.
        options: passed on to `json.loads`.

    Raises:
        DocumentError: for text that is no JSON, or a value that `check_plain` refuses.
    """
    return _parse(lambda: json.loads(text, **options), source, "JSON")


def parse_yaml(text: str, source: str, load: Callable[[str], Any] = yaml.safe_load) -> Any:
    """Parse YAML and check the value with `check_plain`.

    Args:
        text: the document.
        source: where it comes from, for messages.
        load: the loader; it must be one that makes plain values only.

    Raises:
        DocumentError: for text that is no YAML, or a value that `check_plain` refuses.
    """

    def parse() -> Any:
        _check_nesting(text, source)  # the loader itself would overflow the stack of the process
        return load(text)

    return _parse(parse, source, "YAML")


def parse_argument(text: str, source: str, load: Callable[[str], Any]) -> Any:
    """Return the value of a command-line argument: YAML, or the text itself where it is none.

    Raises:
        DocumentError: for a value that `check_plain` refuses.
    """
    check_plain(text, source)
    try:
        return parse_yaml(text, source, load)
    except DocumentError as err:
        if isinstance(err.__cause__, yaml.YAMLError):
            return text
        raise


def check_plain(value: Any, source: str) -> None:
    """Refuse a value that cannot be handled as plain data.

    Raises:
        DocumentError: for a value that is nested too deep, contains itself, is too large once its aliases are
            expanded, or holds a text with half of a surrogate pair, which no file can store.
    """
    _count_values(value, source, 0, set(), {})


def is_storable(text: str) -> bool:
    """Return whether UTF-8 can store a text, that is, whether no half of a surrogate pair stands alone in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def yaml_line(value: Any) -> str:
    """Return plain data as one line of YAML, which any YAML 1.1 parser reads back as the same value.

    JSON is no YAML here: parsers of YAML refuse its surrogate pairs, and take Infinity for a text.
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
    """Write a text file, whole or not at all."""
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def append_text(path: Path, text: str) -> None:
    """Append to a text file; when that fails, for example because the disk is full, nothing of `text` stays."""
    size = path.stat().st_size
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError:
        os.truncate(path, size)
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which takes the place of `path` at the end; nothing is left of a failure."""
    with _temporary(path) as part:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut could leave the new name with an empty file
        part.replace(path)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which takes the place of `folder` at the end.

    Other processes see the old folder or the new one, whole. Of two writers the last one wins.
    """
    folder = folder.resolve()  # of a link, the folder that it points to
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(folder) as part:
        part.mkdir()
        yield part
        while not _take_place(part, folder):
            pass


def recover_folder(folder: Path) -> None:
    """Give a folder back its name where the process that was about to replace it was killed."""
    if not folder.exists():
        _remove_leftovers(folder.absolute().parent)


def link_folder(source: Path, folder: Path) -> None:
    """Make `folder` a copy of `source` by hard links, or by copies where the file system has no links."""
    with atomic_folder(folder) as part:
        shutil.copytree(source, part, copy_function=_link, dirs_exist_ok=True)


@contextmanager
def lock_folder(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Make a folder unless it is there, and hold it for this process alone.

    The system frees it however the process ends. At the end the folder is removed if it is empty.

    Args:
        folder: what to hold.
        wait: whether to wait for another process that holds it.

    Yields:
        Whether the process that held it before was killed.

    Raises:
        FolderInUse: when another process holds it and `wait` is false.
    """
    path = folder / LOCK
    lock = FileLock(path, blocking=wait)
    while not lock.is_locked:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:  # a file; or the folder was removed before one could see that it is one
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
        with suppress(OSError):  # Windows removes no open file
            path.unlink()  # before it is free: a process that waits for it finds that it has no name any more
        lock.release()
        with suppress(OSError):
            folder.rmdir()


def clear_folder(folder: Path) -> None:
    """Remove all that lies in a folder that this process holds."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def list_leftovers(folder: Path, names: re.Pattern[str], was_killed: bool) -> list[Path] | None:
    """Return what a killed process left in a folder, what lies deepest first; None where anything is to be kept.

    Args:
        folder: that exists.
        names: of what the process writes before it has a result, relative to the folder. Unfinished temporary files
            count as such, and the lock is left out.
        was_killed: whether the process that held the folder was killed; otherwise all that it holds is to be kept.
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
    """Remove what `list_leftovers` returned, and nothing that has come to lie below it since."""
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
        if "set_int_max_str_digits" in str(err):  # Python's advice for an integer that it does not convert
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
    """Return the number of values in `value`; what is referred to twice is visited once and counted twice."""
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
            "are possible: remove its tag, or quote it"
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
        raise DocumentError(f"{source} holds more than {_MAX_VALUES:,} values: it is too large for a configuration")
    known[id(value)] = count
    return count


def _too_deep(source: str) -> DocumentError:
    return DocumentError(f"{source} is nested too deep: {_MAX_DEPTH} levels are allowed")


def _machine() -> str:
    """Return what tells apart where numbers of processes mean the same: the machine, and on Linux the container."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{_HOST} {namespace}".encode()).hexdigest()[:8]


_MACHINE: Final = _machine()


@contextmanager
def _temporary(path: Path, suffix: str = "part") -> Iterator[Path]:
    """Yield an unused path beside `path`, which says whose it is; what lies there in the end is settled."""
    part = path.with_name(f".{path.name}.{_MACHINE}-{os.getpid()}-{next(_numbers)}.{suffix}")
    _remove_leftovers(path.parent)
    _in_use.add(part.name)
    try:
        yield part
    finally:
        _settle(part, path, suffix)
        _in_use.discard(part.name)


def _settle(part: Path, path: Path, suffix: str) -> None:
    """Give a folder that was to be replaced its name back, unless another one has it now; remove anything else."""
    if suffix == "old" and not path.exists():
        with suppress(FileNotFoundError):  # another process has just done so
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
    """Return whether another process has this number; one of ours would be known to be in use."""
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _rename(one: Path, other: Path) -> bool:
    """Rename a folder; False when another process was faster and something of that name is there."""
    try:
        one.rename(other)
    except OSError as err:
        if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _take_place(part: Path, folder: Path) -> bool:
    """Give a folder the name of another one; False when another process was faster and it must be tried again."""
    if _rename(part, folder) or _exchange(part, folder):
        return True
    with _temporary(folder, "old") as old, suppress(FileNotFoundError):  # file systems without it, such as NFS
        folder.rename(old)
        with suppress(OSError):  # another process has just taken the place, or the folder stays as it was
            part.rename(folder)
            return True
    return False


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step, where the system can."""
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
