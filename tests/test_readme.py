"""The README says what is so."""

from __future__ import annotations

from pathlib import Path

from mm_bot.settings import markdown

README = Path(__file__).parents[1] / "README.md"


def test_every_variable_is_in_the_readme_as_the_settings_have_it() -> None:
    """The table between the two marks is the one that the settings print."""
    text = README.read_text()
    begin, end = "<!-- variables: begin -->\n", "<!-- variables: end -->"
    table = text[text.index(begin) + len(begin) : text.index(end)]
    assert table == markdown()


def test_the_readme_opens_with_the_two_commands() -> None:
    """Whoever opens it sees `make demo` and `make test` first."""
    first_block = README.read_text().split("```")[1]
    assert [line.split("#")[0].strip() for line in first_block.strip().splitlines()] == [
        "make demo",
        "make test",
    ]
