"""Tables on the standard output."""

from typing import Literal

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Side = Literal["left", "right"]


def show(title: str, columns: dict[str, Side], rows) -> None:
    """Prints a table; `columns` maps each heading to the side its cells stand on."""
    table = Table(box=rich.box.SIMPLE_HEAD)
    for i, (heading, side) in enumerate(columns.items()):
        table.add_column(heading, justify=side, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console(highlight=False)
    console.print(title, markup=False)
    console.print(table)


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "" if share is None else f"{100 * share:.2f} %"
