"""Lines of CSV files that people open: a text in them is never a formula."""

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence

# What begins a formula in a spreadsheet, as OWASP lists it ("CSV injection"), the wide forms of the
# first four among it; and the quote itself, so that every text can be read back.
_FORMULA = (*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", "'")


def csv_line(cells: Iterable[str | float | None]) -> str:
    """A row after RFC 4180, with a line feed at its end.

    A text that begins with `=`, `+`, `-`, `@` (also the wide forms of East Asian scripts), a tab, a
    line break or a single quote gets a single quote before it; `csv_text` takes it away. Numbers
    are never changed, not even those that are texts, such as a class called `-1`.

    >>> csv_line(["=1+1", -0.5, None])
    "'=1+1,-0.5,\\n"

    Args:
        cells: Texts, numbers, or `None` for an empty cell.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(_guarded, cells))
    return text.getvalue()


def _guarded(cell: str | float | None) -> str | float | None:
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    with contextlib.suppress(ValueError):
        float(cell)
        return cell
    return f"'{cell}"


def csv_text(cell: str) -> str:
    """The text of a cell that `csv_line` wrote."""
    return cell.removeprefix("'")


def csv_cells(line: str) -> Sequence[str]:
    """The cells of a line that `csv_line` wrote, those that are numbers as text.

    Raises:
        ValueError: it is no line of CSV, or several.
    """
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return [csv_text(cell) for cell in cells]
