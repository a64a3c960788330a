"""Messages that fit a terminal, and what counts as a mistake of the user."""

from pathlib import Path

import pytest

from hqlm.errors import ConfigError, describe, refusal, shorten, user_mistake


def test_short_messages_stay_as_they_are():
    text = "model.optimizer.lr=\u00e9 is not possible:\n\tit must be a number \U0001f600"
    assert shorten(text) == text


def test_long_messages_keep_their_start_and_their_end():
    text = shorten(f"the run {'x' * 5000} exists. " + "a, " * 50_000 + "Give another --name")
    assert len(text) < 2100
    assert text.startswith("the run xxx")
    assert text.endswith("Give another --name")
    assert "[... 4,700 characters ...]" in text


def test_what_no_terminal_can_show_is_escaped():
    assert shorten("a\x1b[31m\udcff") == "a\\x1b[31m\\udcff"


def test_a_file_that_cannot_be_used_is_no_defect(tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / ("x" * 5000)).read_text()
    assert str(user_mistake(caught.value)).startswith("File name too long: ")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), AssertionError(), RuntimeError("x"), OSError("x")])
def test_what_our_own_code_raises_is_a_defect(error):
    with pytest.raises(type(error)) as caught:
        raise error
    assert user_mistake(caught.value) is None


def test_a_mistake_is_found_among_causes():
    error = TypeError("wrapped")
    error.__cause__ = ConfigError("why")
    assert user_mistake(error) is error.__cause__


def test_defects_of_ours_are_no_refusals_of_settings():
    def broken():
        raise AttributeError("'NoneType' object has no attribute 'x'")

    ours = {"__name__": "hqlm.models.broken", "AttributeError": AttributeError}
    theirs = {"__name__": "their_package.parts", "AttributeError": AttributeError}
    for names, refused in ((ours, False), (theirs, True)):
        function = type(broken)(broken.__code__, names)
        with pytest.raises(AttributeError) as caught:
            function()
        mistake = refusal(caught.value, "model")
        assert (str(mistake) == "model: 'NoneType' object has no attribute 'x'") is refused
        assert (mistake is None) is not refused


def test_a_file_that_was_looked_for_in_vain_is_not_what_a_later_error_comes_from():
    def look():
        try:
            Path("no/such/file").read_text()
        except FileNotFoundError:
            raise KeyError("a defect")  # noqa: B904 (as code does that handles it)

    with pytest.raises(KeyError) as caught:
        look()
    assert user_mistake(caught.value) is None


def test_exceptions_that_cannot_be_printed_are_told_by_their_type():
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    assert user_mistake(Silent()) is None
    assert describe(Silent()) == "Silent"
