"""Images of many threads in batches, by arithmetic that is easily checked."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keras_mixer.serving import Batcher, QueueFullError

pytestmark = pytest.mark.once


class Sums:
    """Gives the sum of each image, keeps the shapes, and fails on negative numbers."""

    def __init__(self):
        self.shapes = []
        self.threads = set()

    def __call__(self, images):
        self.shapes.append(images.shape)
        self.threads.add(threading.current_thread())
        if (images < 0).any():
            raise ValueError("negative")
        return images.sum(axis=(1, 2))


def image(value):
    return np.full((2, 3), value, "float32")


@pytest.fixture
def started():
    """Batchers that end with the test."""
    batchers = []

    def start(compute, **options):
        batchers.append(Batcher(compute, (2, 3), **options))
        batchers[-1].ready.result(10)
        return batchers[-1]

    yield start
    for batcher in batchers:
        batcher.close()


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (32, (1, 2, 4, 8, 16, 32))]
)
def test_sizes_are_few_and_warmed_up(started, most, sizes):
    sums = Sums()
    batcher = started(sums, max_batch=most)
    assert batcher.sizes == sizes
    assert [shape[0] for shape in sums.shapes] == list(sizes)


def test_each_gets_its_own_and_batches_have_known_sizes(started):
    sums, counted = Sums(), []
    batcher = started(sums, max_batch=8, max_wait=0.05, on_batch=counted.append)
    with ThreadPoolExecutor(50) as pool:
        rows = list(pool.map(lambda i: batcher.submit(image(i)).result(10), range(50)))
    assert rows == [6 * i for i in range(50)]
    assert {shape[0] for shape in sums.shapes} <= set(batcher.sizes)
    assert sum(counted) == 50
    assert max(counted) > 1
    assert len(sums.threads) == 1


def test_a_full_batch_does_not_wait(started):
    batcher = started(Sums(), max_batch=4, max_wait=60)
    rows = [batcher.submit(image(i)) for i in range(4)]
    assert [row.result(10) for row in rows] == [0, 6, 12, 18]


def test_one_image_harms_no_other_of_its_batch(started):
    batcher = started(Sums(), max_batch=4, max_wait=60)
    rows = [batcher.submit(image(value)) for value in (1, -1, 2, 3)]
    assert [rows[i].result(10) for i in (0, 2, 3)] == [6, 12, 18]
    with pytest.raises(ValueError, match="negative"):
        rows[1].result(10)
    rows = [batcher.submit(image(5)) for _ in range(4)]
    assert [row.result(10) for row in rows] == [30] * 4


def test_what_nobody_wants_is_not_computed(started):
    counted = []
    batcher = started(Sums(), max_batch=4, max_wait=60, on_batch=counted.append)
    rows = [batcher.submit(image(i)) for i in range(3)]
    rows[0].cancel()
    rows[2].cancel()
    batcher.close()  # What waits is computed.
    assert rows[1].result(10) == 6
    assert counted == [1]


def test_places_are_limited_and_come_back(started):
    batcher = started(Sums(), max_batch=2, places=3)
    with batcher.taking(2):
        with pytest.raises(QueueFullError, match="All 3 places"), batcher.taking(2):
            pass
        with batcher.taking(1):
            assert batcher.taken == 3
    assert batcher.taken == 0
    with pytest.raises(ValueError, match="`max_batch` = 4, `places` = 3"):
        Batcher(Sums(), (2, 3), max_batch=4, places=3)


def test_closing_answers_what_came_before():
    batcher = Batcher(Sums(), (2, 3), max_batch=4, max_wait=60)
    rows = [batcher.submit(image(i)) for i in range(6)]
    begun = time.monotonic()
    batcher.close()
    assert time.monotonic() - begun < 30  # It does not wait for the sixty seconds.
    assert [row.result(0) for row in rows] == [6 * i for i in range(6)]


def test_a_warm_up_that_fails_is_told():
    def broken(images):
        raise MemoryError("too large")

    batcher = Batcher(broken, (2, 3))
    row = batcher.submit(image(1))
    for waiting in (batcher.ready, row):
        with pytest.raises(MemoryError, match="too large"):
            waiting.result(10)
    batcher.close()
