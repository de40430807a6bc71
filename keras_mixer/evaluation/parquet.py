"""A table of predictions as a Parquet file (https://parquet.apache.org)."""

import importlib.util
import itertools
import pathlib
from collections.abc import Iterator

from keras_mixer.evaluation.rows import Cell, Columns

CELLS = 1_000_000  # Of a row group: what is in memory at a time.


def check_pyarrow() -> None:
    """Raises where Parquet cannot be written.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError(
            'Parquet files need pyarrow. Run: pip install "keras-mixer[parquet]", or write a .csv '
            "or .jsonl file."
        )


def write_parquet(path: pathlib.Path, columns: Columns, rows: Iterator[list[Cell]]) -> None:
    """Writes rows, texts as strings and probabilities as float32, a group of rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = [pa.float32() if columns.is_number(name) else pa.string() for name in columns.names]
    schema = pa.schema(list(zip(columns.names, kinds, strict=True)))
    group = max(1, CELLS // len(columns.names))
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(itertools.islice(rows, group)):
            arrays = [
                pa.array(cells, kind)
                for cells, kind in zip(zip(*some, strict=True), kinds, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
