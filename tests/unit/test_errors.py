import pytest
from simcore.errors import InputError, MissingExtraError, RunError, did_you_mean, one_line, unknown_name


def test_the_message_says_place_found_expected_and_remedy():
    error = InputError("a.csv, line 2", "-1", "a number", "Write 1.")
    assert str(error) == "a.csv, line 2: found -1, expected a number. Write 1."
    assert str(InputError("a", "b", "c")) == "a: found b, expected c."


@pytest.mark.parametrize("error", [RunError, MissingExtraError])
def test_only_wrong_input_exits_with_2(error):
    assert error("text").exit_code == 1
    assert InputError("a", "b", "c").exit_code == 2


def test_a_message_is_one_line_whatever_it_quotes():
    text = str(InputError("a\nb.csv", "'\x1b[31m'", "a\tb"))
    assert text.isprintable()
    assert "\\x1b[31m" in text
    assert one_line("µs and é stay") == "µs and é stay"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("V1000", "v100"), ("fito", "fifo"), ("banana", None), ("", None)],
)
def test_the_closest_name_is_offered(word, hint):
    expected = f"Did you mean '{hint}'?" if hint else ""
    assert did_you_mean(word, ["v100", "fifo", "t4"]) == expected


def test_an_unknown_name_lists_what_is_known():
    error = unknown_name("--policy", "fito", iter(["yarn-cs", "fifo"]), "Or write one.")
    assert str(error) == "--policy: found 'fito', expected one of yarn-cs, fifo. Did you mean 'fifo'? Or write one."
    assert "an empty name" in str(unknown_name("--policy", "", ["fifo"]))


def test_a_message_quotes_no_more_than_a_person_reads():
    assert len(str(InputError("f", "9" * 5000, "a number", "x" * 10_000))) < 2000
    line = "a" * 5000 + "!" + "b" * 5000
    _, shown, caret = str(InputError("f", "'!'", "a letter", "", (line, 5000))).split("\n")
    assert len(shown) < 250
    assert shown[caret.index("^")] == "!"
    assert str(InputError("f", "x", "y", "", ("abc", 1))).endswith("\n  abc\n   ^")


def test_an_unknown_name_of_any_length_is_compared_soon():
    assert did_you_mean("v100" + "x" * 10**6, ["v100"]) == ""
