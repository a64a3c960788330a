"""What an offline run of W&B wrote, read back record by record; and servers that do not answer as they should."""

import http.server
import json
import socket
import struct
import threading
import time
from collections import defaultdict
from contextlib import contextmanager

_BLOCK, _HEADER, _START = 32768, 7, 7  # sizes of LevelDB's log format, and of what W&B writes before it


def records(folder):
    """Records of the one offline run below a folder, as (kind, message), once its end is among them."""
    (path,) = folder.rglob("*.wandb")
    for _ in range(100):  # a process of its own writes them, on a busy machine somewhat later
        found = _read(path)
        if any(kind == "exit" for kind, _ in found):
            return found
        time.sleep(0.2)
    raise AssertionError(f"{path} has no end: {[kind for kind, _ in found]}")


def _read(path):
    from wandb.proto import wandb_internal_pb2

    data, place, whole, found = path.read_bytes(), _START, b"", []
    while place + _HEADER <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            place += left
            continue
        _, length, part = struct.unpack("<IHB", data[place : place + _HEADER])
        whole += data[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        if part in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            found.append((record.WhichOneof("record_type"), record))
            whole = b""
    return found


def pick(found, kind):
    return [getattr(record, kind) for each, record in found if each == kind]


def config_updates(found):
    """Every time that a key of the configuration was set, as key -> values."""
    updates = defaultdict(list)
    for update in [*(run.config for run in pick(found, "run")), *pick(found, "config")]:
        for item in update.update:
            key = item.key or "/".join(item.nested_key)
            updates[key].append(json.loads(item.value_json))
    return updates


def history(found):
    """Rows of the history as dicts."""
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row.item}
        for row in pick(found, "history")
    ]


@contextmanager
def server(kind):
    """The address of a server that refuses, hangs or answers 500, and the requests it got."""
    requests = []

    class Broken(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append(self.path)
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 (what http.server calls)

        def log_message(self, *args):
            pass

    if kind == "answers 500":
        found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        port, close = found.server_address[1], found.shutdown
    else:
        found = socket.socket()
        found.bind(("127.0.0.1", 0))  # a port that nobody listens on refuses
        if kind == "hangs":
            found.listen(100)
        port, close = found.getsockname()[1], lambda: None
    try:
        yield f"http://127.0.0.1:{port}", requests
    finally:
        close()
        found.server_close() if kind == "answers 500" else found.close()
