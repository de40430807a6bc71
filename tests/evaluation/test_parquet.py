"""Other programs read the Parquet file; its groups are small, and the rows are all there."""

import pyarrow.parquet as pq
import pytest

from keras_mixer.evaluation import parquet
from keras_mixer.evaluation.rows import Columns

pytestmark = pytest.mark.once


def test_rows_in_groups(tmp_path, monkeypatch):
    columns = Columns(["ß", "b"], 1)
    rows = [[f"{i}.jpg", "ß", i / 8, None] for i in range(8)]
    rows[3] = ["3.jpg", None, None, "why"]
    monkeypatch.setattr(parquet, "CELLS", 3 * len(columns.names))
    parquet.write_parquet(tmp_path / "p.parquet", columns, iter(rows))
    file = pq.ParquetFile(tmp_path / "p.parquet")
    assert file.num_row_groups == 3
    kinds = [str(kind) for kind in file.schema_arrow.types]
    assert kinds == ["string", "string", "float", "string"]
    assert [list(row.values()) for row in file.read().to_pylist()] == rows
    assert tuple(file.schema_arrow.names) == columns.names
