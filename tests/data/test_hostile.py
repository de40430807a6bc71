"""Every hostile picture is read right, or refused with its reason; nothing hangs or grows."""

import os
import re
import shutil
import subprocess
import sys

import hostile
import numpy as np
import pytest
from PIL import Image

from keras_mixer import data
from keras_mixer.data.images import check_readable

# Of a file whose EXIF is garbage PIL warns, and reads it.
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:Corrupt EXIF data")]


@pytest.fixture
def cases(tmp_path):
    """All of them in a class folder, beside a class of four harmless ones."""
    made = hostile.make(tmp_path / "pictures" / "hostile")
    (tmp_path / "pictures" / "plain").mkdir()
    for i in range(4):
        Image.fromarray(hostile.PIXELS).save(tmp_path / "pictures" / "plain" / f"{i}.png")
    return made


def bad(cases):
    return [case for case in cases if case.reason is not None]


def wrong(case, look):
    """What is not as the case says, or `None`."""
    try:
        picture = look(case.path)
    except data.UnreadableImageError as error:
        if case.reason is None or not re.search(case.reason, error.reason):
            return f"{case.path}: refused: {error}"
        if str(error) != f"Cannot read {data.shown(case.path)}: {error.reason}":
            return f"{case.path}: message {str(error)!r}"
        return None if str(error).isprintable() else f"{case.path}: more than a line"
    if case.reason is not None:
        return f"{case.path}: read"
    if case.pixels is None or look is check_readable:
        return None
    off = np.abs(picture.astype(int) - np.asarray(case.pixels, int)).max()
    return f"{case.path}: off by {off}" if off > case.atol else None


def test_each_is_read_right_or_refused(cases):
    assert len(cases) > 90
    assert len(bad(cases)) > 40
    for look in (data.decode, check_readable):
        assert [text for case in cases if (text := wrong(case, look))] == []


def test_a_folder_is_refused_or_read_without_the_bad_ones(cases, tmp_path):
    """What is left is what a folder without these files gives: the same pictures held out."""
    root, number = tmp_path / "pictures", len(bad(cases))
    total = len(cases) + 4
    with pytest.raises(data.UnreadableImageError) as raised:
        data.load(root)
    text = str(raised.value)
    assert text.startswith(
        f"{number} of {total} images cannot be read. Mend or remove them, or leave them out with "
        f"--max-bad-images {number} (`max_bad_images`). Cannot read {root}/hostile/"
    )
    assert text.endswith(f"; and {number - 5} more")
    assert text.isprintable()
    with pytest.raises(data.UnreadableImageError, match=f"{number} of .*, and {number - 1} may be"):
        data.load(root, max_bad_images=number - 1)
    looks = []
    loaded = data.load(root, max_bad_images=number, look=lambda *numbers: looks.append(numbers))
    assert looks[-1] == (total, total, number)
    assert len(looks) == total
    expected = {case.path: case.reason for case in bad(cases)}
    found = {one.path: one.problem for one in loaded.skipped}
    assert found.keys() == expected.keys()
    assert [path for path, reason in expected.items() if not re.search(reason, found[path])] == []
    for dev in (False, True):
        loaded = data.load(root, max_bad_images=number, dev=dev)
        for case in bad(cases) if dev else ():
            os.unlink(case.path)
        if dev:
            assert data.load(root).skipped == ()
            again = data.load(root, dev=True)
            assert again.train.fingerprint() == loaded.train.fingerprint()
            assert again.test.fingerprint() == loaded.test.fingerprint()
    assert len(data.load(root).train) + len(data.load(root).test) == total - number


def test_walks_and_reports_say_the_same(cases, tmp_path):
    report = data.check(data.load(tmp_path / "pictures", check=False))
    walk = data.Walk([tmp_path / "pictures"])
    found = {one.path: one.problem for one in walk}
    assert found.keys() > {case.path for case in cases}
    assert walk.passed_over == 0
    assert len(report.unreadable) == len(bad(cases))
    reasons = {data.shown(case.path): case.reason for case in bad(cases)}
    for text in report.unreadable:
        name, _, why = text.removeprefix("Cannot read ").partition(": ")
        assert re.search(reasons[name], why)
    stood_in_the_way = {path: problem for path, problem in found.items() if problem is not None}
    _, skipped = data.leave_out_bad(
        [data.Split(list(stood_in_the_way), np.zeros(len(stood_in_the_way), int), [""] * 99)], 99
    )
    assert {one.path: one.problem for one in skipped} == stood_in_the_way


def test_a_table_of_paths(cases, tmp_path):
    """What a folder would never name: what has no end, a folder, no path at all."""
    good = [f"pictures/plain/{i}.png,{'ab'[i % 2]}" for i in range(4)]
    reasons = {
        "/dev/zero": "not a regular file",
        "pictures/hostile/fifo.png": "not a regular file",
        "pictures/plain": "a folder",
        "gone.png": "no such file",
        "n" * 300: "File name too long",
        "pictures/plain/0.png/x.png": "Not a directory",
    }
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label", *good, *(f"{path},a" for path in reasons)]))
    loaded = data.load(table, max_bad_images=6)
    assert [one.problem for one in loaded.skipped] == list(reasons.values())
    assert len(data.check(data.load(table, check=False)).unreadable) == 6


def test_nothing_left_of_a_class_or_a_split(tmp_path):
    for part in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / part / label).mkdir(parents=True)
            Image.fromarray(hostile.PIXELS).save(tmp_path / part / label / "0.png")
    (tmp_path / "train" / "b" / "0.png").write_bytes(b"")
    with pytest.raises(data.UnreadableImageError, match=r"Of the class b no image .*b/0\.png"):
        data.load(tmp_path, max_bad_images=9)
    Image.fromarray(hostile.PIXELS).save(tmp_path / "train" / "b" / "0.png")
    for label in ("a", "b"):
        (tmp_path / "test" / label / "0.png").write_bytes(b"")
    with pytest.raises(data.UnreadableImageError, match="Of the split test no image"):
        data.load(tmp_path, max_bad_images=9)


def test_classes_of_any_name(tmp_path):
    for name in (b"\xff", b"two\nlines", b"a"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        for i in range(2):
            Image.fromarray(hostile.PIXELS).save(os.path.join(os.fsdecode(folder), f"{i}.png"))
    os.symlink("loop", tmp_path / "loop")
    loaded = data.load(tmp_path)
    assert loaded.label_names == (r"\xff", "a", r"two\x0alines")
    assert all(name.isprintable() for name in loaded.train.names)
    shutil.copytree(os.path.join(os.fsencode(tmp_path), b"\xff"), os.fsencode(tmp_path / r"\xff"))
    with pytest.raises(ValueError, match="classes whose names look the same"):
        data.load(tmp_path)


def test_named_data_sets_are_not_gone_through():
    with pytest.raises(ValueError, match="is for pictures of your own, and digits is a data set"):
        data.load("digits", max_bad_images=1)
    with pytest.raises(ValueError, match=r"must not be negative. Received: -1"):
        data.leave_out_bad([], -1)


# Goes through harmless files, then through the hostile ones, and through one that only the
# superuser may read; prints by how many MiB the peak of its memory grew.
PROCESS = """
import os, resource, sys, warnings
from keras_mixer import data
warnings.simplefilter("ignore")
plain, hostile, secret = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def look(folder):
    for found in data.Walk([folder]):
        try:
            data.decode(found.path)
        except data.UnreadableImageError as error:
            pass
look(plain)
before = peak()
look(hostile)
data.check(data.load(os.path.dirname(hostile), check=False))
print(peak() - before)
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
try:
    data.decode(secret)
except data.UnreadableImageError as error:
    print(error.reason)
"""


def test_memory_is_bounded_and_nothing_hangs(cases, tmp_path):
    root = tmp_path / "pictures"
    secret = tmp_path / "secret.png"
    secret.write_bytes((root / "plain" / "0.png").read_bytes())
    secret.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, root / "plain", root / "hostile", secret],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    grown, reason = done.stdout.splitlines()
    assert float(grown) < 200
    assert reason == "Permission denied"
