"""Tables on the standard output."""

import rich.box
from rich.console import Console
from rich.table import Table


def show(title: str, columns: dict[str, str], rows) -> None:
    """Prints a table; `columns` maps each heading to `"left"` or `"right"`."""
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for heading, side in columns.items():
        table.add_column(heading, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "" if share is None else f"{100 * share:.2f} %"
