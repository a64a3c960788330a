"""Documents from elsewhere are plain data of bounded size, or refused in one sentence."""

import json
import time

import pytest

from hqlm.errors import DocumentError
from hqlm.files import check_plain, parse_json, parse_yaml

CYCLE = "&a [1, *a]"
LAUGHS = "a0: &a0 [1]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 30))


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_json, "[" * 100_000, "nested too deep"),
        (parse_json, "[" * 300 + "]" * 300, "nested too deep"),
        (parse_yaml, "[" * 100_000, "nested too deep"),
        (parse_yaml, "- " * 100_000 + "1", "nested too deep"),
        (parse_yaml, CYCLE, "within that value itself"),
        (parse_yaml, "a: &a {b: *a}", "within that value itself"),
        (parse_yaml, LAUGHS, "holds more than"),
        (parse_json, "9" * 5_000, "not valid JSON"),
        (parse_yaml, "9" * 5_000, "not valid YAML"),
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
