"""Documents from elsewhere are plain data of bounded size, or refused in one sentence."""

import json
import time

import pytest
from jsonargparse import get_loader

from hqlm.errors import DocumentError
from hqlm.files import check_plain, parse_argument, parse_json, parse_yaml, yaml_line

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


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 20_000 + "1" + "}" * 20_000, "- " * 100_000 + "1"])
def test_the_loader_of_configurations_survives_what_is_nested_too_deep(text):
    with pytest.raises(DocumentError, match="nested too deep"):
        parse_yaml(text, "x", get_loader("yaml"))


@pytest.mark.parametrize(
    "value",
    [
        "\U0001f600",
        'a\x85b\u2028c\x7f\ufeff\uffff\t\n\0"\\\u00e9',
        {"\U0001f600": [1.5, True, None, float("inf"), -float("inf"), -3, 1e-3, 1e22], "b": {"~": {}}},
        ["1e3", "null", "true", "~", "#x", ": ", "", "- a", "*a", "2020-01-01", ".nan", []],
        10**30,
    ],
)
def test_yaml_lines_are_read_back_as_they_were(value):
    line = yaml_line(value)
    assert get_loader("yaml")(line) == value
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
