"""Record files of TensorFlow Datasets, read at any place and without TensorFlow."""

import bisect
import itertools
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """Records `skip` to `skip + take` of the file at `path`."""

    path: str
    skip: int
    take: int


class Records(Sequence[bytes]):
    """The serialised examples of some parts of record files, one after the other.

    A TFRecord file has no index; one is made, from the lengths in the file, when the first of its
    records is asked for. Nothing else is kept in memory.

    Args:
        parts: which records of which files, TFRecord or ArrayRecord.

    Raises:
        ValueError: on reading, where a file is cut off or fails its checksum.
    """

    def __init__(self, parts: Sequence[Part]):
        self._parts = list(parts)
        self._ends = list(itertools.accumulate(part.take for part in self._parts))
        self._readers: dict[str, Sequence[bytes]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"Record {index} of {len(self)}")
        number = bisect.bisect_right(self._ends, index)
        part = self._parts[number]
        return self._reader(part.path)[part.skip + index - self._ends[number] + part.take]

    def _reader(self, path: str) -> Sequence[bytes]:
        if path not in self._readers:  # Two threads may both do it; the results are equal.
            self._readers[path] = _array_record(path) if ".array_record" in path else TFRecord(path)
        return self._readers[path]


def _array_record(path: str) -> Sequence[bytes]:
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    return ArrayRecordDataSource(path)


class TFRecord(Sequence[bytes]):
    """One TFRecord file.

    A record is its length in eight bytes, their checksum in four, the data, and its checksum in
    four (https://www.tensorflow.org/tutorials/load_data/tfrecord).
    """

    HEAD, TAIL = 12, 4

    def __init__(self, path: str):
        self.path = path
        starts, lengths, place, size = [], [], 0, os.path.getsize(path)
        with open(path, "rb") as file:
            while place < size:
                file.seek(place)
                head = file.read(self.HEAD)
                length = struct.unpack("<Q", head[:8])[0] if len(head) == self.HEAD else size
                starts.append(place + self.HEAD)
                lengths.append(length)
                place += self.HEAD + length + self.TAIL
        if place != size:
            raise ValueError(f"{path} is cut off in record {len(starts) - 1}. Prepare it anew.")
        self._starts, self._lengths = np.array(starts), np.array(lengths)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index):
        import google_crc32c

        length = int(self._lengths[index])
        with open(self.path, "rb") as file:
            file.seek(int(self._starts[index]))
            data = file.read(length + self.TAIL)
        record = data[:length]
        crc = google_crc32c.value(record)
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        if struct.unpack("<I", data[length:])[0] != masked:
            raise ValueError(f"{self.path} fails its checksum in record {index}. Prepare it anew.")
        return record
