"""Rows are added, cut to whole batches and compared with their files."""

import pytest

from keras_mixer.data import Found
from keras_mixer.evaluation.journal import Journal, Standing
from keras_mixer.evaluation.rows import Columns, CsvLines, JsonLines

pytestmark = pytest.mark.once

FILES = [Found(f"{i}.jpg") for i in range(7)]
ROWS = [[f"{i}.jpg", "a", 0.5, None] for i in range(7)]
ROWS[3] = ["3.jpg", None, None, "why"]


@pytest.mark.parametrize("kind", [CsvLines, JsonLines])
def test_rows_go_on(tmp_path, kind):
    journal = Journal(tmp_path / "p", kind(Columns(["a", "b"], 1)))
    assert journal.go_on(iter(FILES), 3) == Standing()
    journal.add(ROWS[:3])
    journal.add(ROWS[3:5])
    assert list(journal.read()) == ROWS[:5]
    files = iter(FILES)
    standing = journal.go_on(files, 2)
    assert standing == Standing(4, 1, ("3.jpg", "why"), (FILES[4],))
    assert list(journal.read()) == ROWS[:4]
    assert next(files) == FILES[5]
    assert standing.after(ROWS[4:6]) == Standing(6, 1, ("3.jpg", "why"))
    assert journal.go_on(iter(FILES), 3) == Standing(3, 0, ("", ""), (FILES[3],))
    assert Standing().after(ROWS) == Standing(7, 1, ("3.jpg", "why"))


def test_another_header(tmp_path):
    journal = Journal(tmp_path / "p", CsvLines(Columns(["a", "b"], 1)))
    for content in (b"path,label\n", b"0.jpg,a,0.5,\n1.jpg,a,0.5,\n"):
        (tmp_path / "p").write_bytes(content)
        with pytest.raises(ValueError, match="not with the header that belongs there"):
            journal.go_on(iter(FILES), 3)
        assert (tmp_path / "p").read_bytes() == content
