import hashlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib

import pytest
import torch

import hqlm.encoders.cache as embedding_cache
from hqlm import notices
from hqlm.encoders import EmbeddingCache, HashingEncoder
from hqlm.encoders.text.hashing import _Hashing
from hqlm.errors import CacheError

TEXTS = [f"text number {number}" for number in range(300)]


class Counting(_Hashing):
    """Remembers how many texts it was asked for."""

    def __init__(self, recipe=HashingEncoder(dim=16)):
        super().__init__(recipe)
        self.seen = []

    def forward(self, texts):
        self.seen += texts
        return super().forward(texts)


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path)


def file_of(cache):
    (path,) = cache.folder.glob("*.sqlite")
    return path


def test_embeddings_come_in_the_order_asked_for(cache):
    encoder = Counting()
    shuffled = TEXTS[::-1] + TEXTS[:5]
    assert torch.equal(cache.embed(encoder, shuffled), HashingEncoder(dim=16).build()(shuffled))


def test_a_second_run_embeds_nothing(cache):
    cache.embed(Counting(), TEXTS)
    again = Counting()
    cache.embed(again, TEXTS)
    assert again.seen == []


def test_only_new_texts_are_embedded_and_each_once(cache):
    cache.embed(Counting(), TEXTS[:100])
    encoder = Counting()
    cache.embed(encoder, TEXTS + TEXTS)
    assert sorted(encoder.seen) == sorted(TEXTS[100:])


def test_texts_are_encoded_from_the_longest_to_the_shortest(cache):
    encoder = Counting()
    cache.embed(encoder, ["aa", "aaaa", "a", "aaa"])
    assert encoder.seen == ["aaaa", "aaa", "aa", "a"]


def test_encoders_do_not_share_embeddings(cache):
    a = cache.embed(Counting(HashingEncoder(dim=16)), TEXTS[:3])
    b = cache.embed(Counting(HashingEncoder(dim=16, ngrams=1)), TEXTS[:3])
    assert not torch.equal(a, b)


class Short(Counting):
    limit = 5


def test_texts_that_are_cut_are_counted_once_whether_they_are_known_or_new(cache, monkeypatch):
    said = []
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    cache.embed(Counting(), ["a text without a limit"])
    assert said == []
    for _ in range(2):
        cache.embed(Short(HashingEncoder(dim=8)), ["short", "longer", "longest", "longer"])
    assert len(said) == 1
    assert "longer than the 5 tokens that the text encoder reads: 3 of 4 (the longest has 7)" in said[0]
    cache.embed(Short(HashingEncoder(dim=8)), ["short"])
    assert len(said) == 1
    notices.say_once.cache_clear()  # as in another process
    known = Short(HashingEncoder(dim=8))
    cache.embed(known, ["short", "longest"])
    assert known.seen == []
    assert "1 of 2 (the longest has 7)" in said[1]


def test_no_texts_give_no_rows(cache):
    assert cache.embed(Counting(), []).shape == (0, 16)


def test_a_file_of_rubbish_is_refused_by_name(cache):
    cache.embed(Counting(), TEXTS[:3])
    file_of(cache).write_bytes(b"rubbish" * 1000)
    with pytest.raises(CacheError, match=r"is corrupt.*Delete that file"):
        cache.embed(Counting(), TEXTS[:3])


def test_a_flipped_bit_is_found(cache):
    cache.embed(Counting(), TEXTS[:3])
    database = sqlite3.connect(file_of(cache))
    with database:
        database.execute("UPDATE embeddings SET vector = zeroblob(64)")
    database.close()
    with pytest.raises(CacheError, match="checksum"):
        cache.embed(Counting(), TEXTS[:3])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "embeddings").write_text("a file where a folder should be")
    with pytest.raises(CacheError, match="HQLM_CACHE"):
        EmbeddingCache(tmp_path).embed(Counting(), TEXTS[:3])


def test_the_folder_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "here"))
    EmbeddingCache().embed(Counting(), TEXTS[:3])
    assert list((tmp_path / "here" / "embeddings").glob("*.sqlite"))


def fill(folder):
    EmbeddingCache(folder).embed(Counting(), TEXTS)


def test_two_processes_fill_it_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    reader = Counting()
    assert torch.equal(EmbeddingCache(tmp_path).embed(reader, TEXTS), HashingEncoder(dim=16).build()(TEXTS))
    assert reader.seen == []


SLOW_WRITER = """
import sys, time
from pathlib import Path
import hqlm.encoders.cache as cache
from hqlm.encoders import EmbeddingCache, HashingEncoder
cache._CHUNK = cache._BATCH = 10
module = HashingEncoder(dim=16).build()
forward = module.forward
def slow(texts):
    time.sleep(0.05)
    return forward(texts)
module.forward = slow
print("started", flush=True)
EmbeddingCache(Path(sys.argv[1])).embed(module, [f"text number {number}" for number in range(300)])
"""


def test_a_killed_writer_loses_only_what_it_had_not_written(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    writer.stdout.readline()
    time.sleep(0.6)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    reader = Counting()
    assert torch.equal(EmbeddingCache(tmp_path).embed(reader, TEXTS), HashingEncoder(dim=16).build()(TEXTS))
    assert 0 < len(reader.seen) < len(TEXTS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("vector = zeroblob(32), crc = {crc32}", "wrong length"),
        ("vector = zeroblob(63), crc = {crc63}", "wrong length"),
        ("vector = x'', crc = 0", "wrong length"),
        ("crc = NULL", "checksum"),
        ("crc = 'text'", "checksum"),
        ("vector = 'text'", "checksum"),
        ("vector = 3", "checksum"),
    ],
)
@pytest.mark.parametrize("older", [False, True])
def test_entries_of_wrong_type_or_length_are_refused(cache, change, why, older):
    cache.embed(Counting(), TEXTS[:3])
    database = sqlite3.connect(file_of(cache))
    crcs = {f"crc{size}": zlib.crc32(bytes(size)) for size in (32, 63)}
    with database:
        if "NULL" in change:  # the table refuses it, a table of somebody else does not
            database.execute("ALTER TABLE embeddings RENAME TO old")
            database.execute("CREATE TABLE embeddings (text BLOB, vector, crc)")
            database.execute("INSERT INTO embeddings SELECT * FROM old")
        digest = hashlib.sha256(TEXTS[1].encode()).digest()
        database.execute(f"UPDATE embeddings SET {change.format(**crcs)} WHERE text = ?", (digest,))
        if older:
            database.execute("PRAGMA user_version = 0")
    database.close()
    with pytest.raises(CacheError, match=f"is corrupt .*{why if not older else ''}"):
        cache.embed(Counting(), TEXTS[:3])


def test_a_cache_that_another_process_holds_is_waited_for_with_a_word(cache, monkeypatch):
    said = []
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    monkeypatch.setattr(notices, "_PATIENCE", 0.2)
    monkeypatch.setattr(embedding_cache, "_BUSY_SECONDS", 1.0)
    notices.say_once.cache_clear()
    cache.embed(Counting(), TEXTS[:3])
    assert said == []
    other = sqlite3.connect(file_of(cache))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(CacheError, match="another process has held"):
        cache.embed(Counting(), TEXTS[:3])
    other.rollback()
    other.close()
    assert len(said) == 1
    assert "waiting for the embedding cache" in said[0]


def test_reading_and_writing_for_long_is_no_wait_for_others(cache, monkeypatch):
    said, digest = [], embedding_cache._digest
    monkeypatch.setattr(notices, "rank_zero_info", said.append)
    monkeypatch.setattr(notices, "_PATIENCE", 0.2)
    notices.say_once.cache_clear()

    def slow(text):
        time.sleep(0.005)
        return digest(text)

    monkeypatch.setattr(embedding_cache, "_digest", slow)
    for _ in range(2):
        cache.embed(Counting(), TEXTS[:100])
    assert said == []


def test_the_folder_is_for_one_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "root"))
    before = os.umask(0)
    try:
        cache = EmbeddingCache(tmp_path / "new")
        cache.embed(Counting(), TEXTS[:3])
        EmbeddingCache().embed(Counting(), TEXTS[:3])
    finally:
        os.umask(before)
    for folder in (cache.folder, cache.folder.parent, tmp_path / "root", tmp_path / "root/embeddings"):
        assert folder.stat().st_mode & 0o777 == 0o700
