"""Embeddings of frozen text encoders, computed once and kept on disk.

Each encoder has one SQLite file, named by a hash of its weights and settings. SQLite's transactions make it safe for
two processes to fill it at once and for a writer to be killed midway.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hqlm.cache import cache_folder, make_cache_folder
from hqlm.encoders.text import TextModule
from hqlm.errors import CacheError
from hqlm.memory import check_fits
from hqlm.notices import hides_bars, say_if_slow, say_once

_BATCH = 64  # texts per encoder call
_CHUNK = 1024  # texts between two writes to disk
_BUSY_SECONDS = 120.0
_Cut = tuple[bytes, int, int]  # digest of a text, its length, how much of it was read
_TABLES = (
    "embeddings (text BLOB PRIMARY KEY, vector BLOB NOT NULL, crc INTEGER NOT NULL)",
    "cut (text BLOB PRIMARY KEY, length INTEGER NOT NULL, seen INTEGER NOT NULL)",  # texts beyond an encoder's limit
)


class EmbeddingCache:
    """Embeddings by encoder and text.

    Args:
        folder: folder of the files; None takes `hqlm.cache.cache_folder()`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "embeddings"

    def embed(self, encoder: TextModule, texts: Sequence[str]) -> Tensor:
        """Return embeddings `(len(texts), dim)`, float32; only texts that are not in the cache are encoded.

        A message counts the texts that the encoder truncates, whether they are encoded now or were before.

        Raises:
            CacheError: when the file is corrupt or cannot be written.
        """
        distinct = list(dict.fromkeys(texts))
        check_fits(
            3 * 4 * len(texts) * encoder.dim,
            f"embeddings of {len(texts):,} texts",
            "Choose a text_encoder with a smaller dim, or fewer rows (data.limit_train)",
        )
        known: dict[str, np.ndarray] = {}
        path = self._path(encoder)
        with self._open(path) as database:
            known.update(_read(database, distinct, path))
            missing = [text for text in distinct if text not in known]
            for chunk, vectors, lengths in _encode_chunks(encoder, missing):
                _write(database, chunk, vectors, _find_truncated(encoder, chunk, lengths), path)
                known.update(zip(chunk, vectors, strict=True))
            _warn_stored_truncation(database, texts)
        if len({len(vector) for vector in known.values()}) > 1:
            raise _corrupt(path, "embeddings have different lengths")
        if not texts:
            return torch.zeros(0, encoder.dim)
        return torch.from_numpy(np.stack([known[text] for text in texts]))

    def _path(self, encoder: TextModule) -> Path:
        return self.folder / f"{encoder.content_key[:32]}.sqlite"

    @contextmanager
    def _open(self, path: Path) -> Iterator[sqlite3.Connection]:
        try:
            make_cache_folder(self.folder.name, self.folder.parent)
            database = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        except (OSError, sqlite3.Error) as err:
            raise CacheError(
                f"cannot open the embedding cache {path}: {err}. Set HQLM_CACHE to a folder that can be written"
            ) from err
        try:
            with _patience(path), database:
                for table in _TABLES:
                    database.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            yield database
        except sqlite3.OperationalError as err:
            if "locked" in str(err):
                raise CacheError(
                    f"another process has held the embedding cache {path} for {_BUSY_SECONDS:.0f} s. Wait until it has "
                    "finished, or set HQLM_CACHE to another folder"
                ) from err
            raise CacheError(
                f"cannot use the embedding cache {path}: {err}. Set HQLM_CACHE to a folder that can be written"
            ) from err
        except sqlite3.DatabaseError as err:
            raise _corrupt(path, str(err)) from err
        finally:
            database.close()


def _patience(path: Path) -> AbstractContextManager[None]:
    return say_if_slow(f"waiting for the embedding cache {path}, which another process holds")


def _read(database: sqlite3.Connection, texts: Iterable[str], path: Path) -> dict[str, np.ndarray]:
    found = {}
    with database:  # one transaction, which waits for writers at its start alone
        with _patience(path):
            database.execute("BEGIN")
            (size,) = database.execute("PRAGMA user_version").fetchone()  # bytes of an embedding; 0 in older files
        for text in texts:
            row = database.execute("SELECT vector, crc FROM embeddings WHERE text = ?", (_digest(text),)).fetchone()
            if row is None:
                continue
            vector, crc = row
            if not isinstance(vector, bytes) or zlib.crc32(vector) != crc:
                raise _corrupt(path, "a checksum does not match")
            if len(vector) != (size or len(vector)) or len(vector) % 4 or not vector:
                raise _corrupt(path, "an embedding has a wrong length")
            found[text] = np.frombuffer(vector, dtype="<f4")
    return found


def _write(
    database: sqlite3.Connection, texts: Sequence[str], vectors: np.ndarray, cut: list[_Cut], path: Path
) -> None:
    blobs = [vector.astype("<f4").tobytes() for vector in vectors]
    rows = [(_digest(text), blob, zlib.crc32(blob)) for text, blob in zip(texts, blobs, strict=True)]
    with database:  # one transaction: all rows or none
        with _patience(path):
            database.execute("BEGIN EXCLUSIVE")
        database.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", rows)
        database.executemany("INSERT OR IGNORE INTO cut VALUES (?, ?, ?)", cut)
        database.execute(f"PRAGMA user_version = {len(blobs[0])}")


def _find_truncated(encoder: TextModule, texts: Sequence[str], lengths: Sequence[int]) -> list[_Cut]:
    """Return digest, length and limit of the texts that exceed the encoder's limit."""
    limit = encoder.limit
    if limit is None:
        return []
    return [(_digest(text), length, limit) for text, length in zip(texts, lengths, strict=True) if length > limit]


def _warn_stored_truncation(database: sqlite3.Connection, texts: Sequence[str]) -> None:
    cut = {text: (length, seen) for text, length, seen in database.execute("SELECT text, length, seen FROM cut")}
    _warn_truncated([cut[digest] for digest in map(_digest, texts) if digest in cut] if cut else [], len(texts))


def tell_of_cut(encoder: TextModule, texts: Sequence[str]) -> None:
    """Report how many texts an encoder would truncate, without encoding any."""
    limit = encoder.limit
    if limit is not None:
        _warn_truncated([(length, limit) for length in encoder.lengths(texts) if length > limit], len(texts))


def _warn_truncated(found: Sequence[tuple[int, int]], n_texts: int) -> None:
    if found:
        longest, limit = max(found)
        say_once(
            f"texts longer than the {limit} tokens that the text encoder reads: {len(found):,} of {n_texts:,} (the "
            f"longest has {longest:,}). Their ends are cut off: shorten or split them, or choose another text_encoder"
        )


def _encode_chunks(encoder: TextModule, texts: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray, list[int]]]:
    """Yield chunks of texts with embeddings and lengths, encoded in batches of similar length, with a progress bar."""
    if not texts:
        return
    lengths = encoder.lengths(texts)
    order = sorted(range(len(texts)), key=lambda place: -lengths[place])  # slowest first: the bar speeds up
    with tqdm(total=len(texts), desc="embedding texts", unit="text", disable=hides_bars()) as bar:
        for start in range(0, len(order), _CHUNK):
            places = order[start : start + _CHUNK]
            chunk = [texts[place] for place in places]
            vectors = []
            for first in range(0, len(chunk), _BATCH):
                batch = chunk[first : first + _BATCH]
                vectors.append(encoder(batch).detach().cpu().numpy())
                bar.update(len(batch))
            yield chunk, np.concatenate(vectors), [lengths[place] for place in places]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _corrupt(path: Path, why: str) -> CacheError:
    return CacheError(f"the embedding cache {path} is corrupt ({why}). Delete that file: embeddings are recomputed")
