"""Tables on the standard output."""

import rich.box
from rich.console import Console
from rich.table import Table


def show(title: str, columns: list[str], rows) -> None:
    """Prints a table; the first column to the left, the others to the right."""
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "" if share is None else f"{100 * share:.2f} %"
