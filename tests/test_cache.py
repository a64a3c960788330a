"""Where embeddings, tuned bodies and measurements are kept."""

from pathlib import Path

import pytest

from hqlm.cache import cache_folder


@pytest.mark.parametrize(
    ("hqlm_cache", "xdg_cache_home", "expected"),
    [("/a", "/b", "/a"), ("", "/b", "/b/hqlm"), ("", "", "/home/me/.cache/hqlm")],
)
def test_the_folder_is_that_of_the_environment(monkeypatch, hqlm_cache, xdg_cache_home, expected):
    monkeypatch.setenv("HQLM_CACHE", hqlm_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg_cache_home)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path(expected)
