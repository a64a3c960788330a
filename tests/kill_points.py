"""Kills a process at any of the moments when it is about to change a file."""

import os
import signal
import sys
from pathlib import Path

import torch

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate"}


class _Watch:
    """Counts the changes of files below a folder in this process, and kills it at one of them."""

    root: Path | None = None
    at: int | None = None
    seen = 0

    def __call__(self, event, args):
        if self.root is None or not (event in _CHANGES or (event == "open" and _is_write(*args))):
            return
        if not isinstance(args[0], str | bytes | os.PathLike):
            return  # a descriptor
        path = os.path.abspath(os.fsdecode(args[0]))
        if path.startswith(f"{self.root}{os.sep}"):
            self.seen += 1
            if self.seen == self.at:
                os.kill(os.getpid(), signal.SIGKILL)


def _is_write(path, mode, flags):
    return bool(flags & _WRITES) or bool(set(mode or "") & set("wax+"))


_watch = None


def in_a_copy(action, root, at=None):
    """Call `action` in a forked copy of this process, killed when about to make the change number `at` below `root`.

    Returns:
        The exit code of the copy, and how many changes it made when it was not killed.
    """
    global _watch
    if _watch is None:
        _watch = _Watch()
        sys.addaudithook(_watch)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        torch.set_num_threads(1)  # a copy has none of the threads that work for torch, and would wait for them
        try:
            _watch.root, _watch.at = Path(os.path.abspath(root)), at
            code = action() or 0
            _watch.root = None
            os.write(write, str(_watch.seen).encode())
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), int(said or 0)
