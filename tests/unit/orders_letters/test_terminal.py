"""What the command line takes, and how it prints."""

import pytest
from orders import deadletters
from orders.letter_schemas import FilterIn


@pytest.mark.parametrize("command", ["list", "redrive", "discard"])
def test_every_filter_of_the_api_is_an_option(command: str) -> None:
    options = [f"--{name.replace('_', '-')}=1" for name in FilterIn.model_fields]
    arguments = deadletters.parser().parse_args([command, *options])
    assert all(getattr(arguments, name) == "1" for name in FilterIn.model_fields)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["lose"],
        ["show"],
        ["list", "--limit", "0"],
        ["list", "--limit", "many"],
        ["list", "--colour", "red"],
        ["list", "--dry-run"],
        ["redrive", "--format", "yaml"],
    ],
)
def test_what_it_does_not_know_ends_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        deadletters.parser().parse_args(words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_table_has_its_names_above_and_no_space_at_the_end() -> None:
    row = dict.fromkeys(deadletters.COLUMNS) | {"id": "1", "key": "a\nb\x1b[31m"}
    head, line = deadletters.table_of([row]).splitlines()
    assert head.split() == list(deadletters.COLUMNS)
    assert line.split()[:2] == ["1", "-"]
    assert "a\ufffdb\ufffd[31m" in line


def test_an_empty_table_still_has_its_names() -> None:
    assert deadletters.table_of([]).split() == list(deadletters.COLUMNS)


def test_one_thing_is_a_line_a_name() -> None:
    assert deadletters.table_of({"run_id": "x", "done": 3, "filter": {"a": [1]}}) == (
        'run_id  x\ndone    3\nfilter  {"a": [1]}\n'
    )
