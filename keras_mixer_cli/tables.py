"""Tables on the standard output."""

from typing import Literal

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_mixer_cli.printing import printable

Side = Literal["left", "right"]
CELL = 300  # Characters of a name that are shown.


def show(title: str | tuple[str, ...], columns: dict[str, Side], rows) -> None:
    """Prints a table.

    Args:
        title: String, or several, a line each.
        columns: Dictionary from each heading to the side its cells stand on.
        rows: Iterable of rows of cells: texts with names in them from anywhere, or numbers.
    """
    table = Table(box=rich.box.SIMPLE_HEAD)
    for i, (heading, side) in enumerate(columns.items()):
        table.add_column(shown(heading), justify=side, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*map(shown, row))
    console = Console(highlight=False)
    for line in (title,) if isinstance(title, str) else title:
        console.print(shown(line))
    console.print(table)


def say(console: Console, line: str) -> None:
    """Prints a line beside a bar."""
    console.print(Text(printable(line)), soft_wrap=True)


def shown(cell: object) -> Text:
    """A text for rich, in which nothing is markup and nothing steers the terminal."""
    return Text(printable(cell, CELL))


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "" if share is None else f"{100 * share:.2f} %"
