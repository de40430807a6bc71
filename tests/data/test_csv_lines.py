"""CSV files that people open in a spreadsheet."""

import csv
import io

import pytest
from hostile_names import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st

from keras_mixer.data import csv_cells, csv_line, csv_text, escaped, unescaped

pytestmark = pytest.mark.once

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\uff1d1", "\uff0b1", "''=1", "'")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_a_quote(text):
    (cell,) = next(csv.reader(io.StringIO(csv_line([text]), newline="")))
    assert cell == f"'{text}"
    assert csv_text(cell) == text


@pytest.mark.parametrize("number", [-1, -0.5, "-1", "+2.5", "-1e-5", 0, "=", "a=1", "", " =1"])
def test_what_is_no_formula_stays_as_it_is(number):
    (cell,) = next(csv.reader([csv_line([number, "x"])]))[:1]
    assert cell == (f"'{number}" if number == "=" else str(number))


@example(list(HOSTILE.values()))
@example(list(FORMULAS))
@given(st.lists(st.text(st.characters(codec=None)), min_size=2, max_size=4))
def test_every_text_comes_back_from_one_line(texts):
    line = csv_line(map(escaped, texts))
    assert line.count("\n") == 1
    line.encode()
    cells = csv_cells(line)
    assert cells == [escaped(text) for text in texts]
    for cell, text in zip(cells, texts, strict=True):
        if not any("\ud800" <= c <= "\udfff" for c in text):
            assert unescaped(cell) == text
        assert all(c >= " " for c in cell)
