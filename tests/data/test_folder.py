"""What a folder is taken for, by its names and its structure, and what of it is not used."""

import os

import hostile
import pytest

from keras_mixer import data
from keras_mixer.data import SUFFIXES

pytestmark = pytest.mark.once

IMAGE = hostile.encoded(hostile.PIXELS)


def make(root, *paths):
    """Files: `a/1` is an image of its own name, `a/3x` three images, `a/b.txt` that file."""
    for path in paths:
        head, _, last = path.rpartition("/")
        names = [last]
        if last.endswith("x") and last[:-1].isdigit():
            names = [f"{i}.png" for i in range(int(last[:-1]))]
        (root / head).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / head / name).write_bytes(IMAGE)
    return root


TWO = ("a/5x", "b/5x")


def below(part, *paths):
    return tuple(f"{part}/{path}" for path in paths or TWO)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("paths", "train", "test", "part"),
    [
        (TWO, 8, 2, "held out"),
        ((*below("train"), *below("test", "a/1x")), 10, 1, "test"),
        *(
            ((*below("train"), *below(name, "a/1x", "b/2x")), 10, 3, "val")
            for name in ("val", "valid", "validation", "dev", "Valid")
        ),
        ((*below("Train"), *below("TEST", "b/3x")), 10, 3, "test"),
        ((*below("train"), *below("valid", "a/1x"), *below("test", "a/2x")), 10, 2, "test"),
        (below("train"), 8, 2, "held out"),
        (("bus/5x", "car/5x", "train/5x"), 12, 3, "held out"),  # Vehicles.
        (("bus/5x", "dev/5x", "test/5x"), 12, 3, "held out"),
    ],
)
def test_what_a_folder_is_taken_for(tmp_path, paths, train, test, part, whole):
    loaded = data.load(make(tmp_path, *paths), whole=whole)
    if whole and part == "held out":
        train, test, part = 0, train + test, "all"
    assert (len(loaded.train), len(loaded.test)) == (0 if whole else train, test)
    assert loaded.part == part


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((*below("train"), *below("val"), *below("valid")), "has both val and valid: keep one"),
        ((*below("train"), *below("Train")), "has both Train and train: keep one"),
        (("train/5x", "test/5x"), "train holds no class folders.*or rename it"),
        (("a/5x", "train/5x", "test/5x"), "train holds no class folders"),
        (("a/5x", "b/5x", *below("test")), r"holds test/ with class folders, and no train/\. Add"),
        (below("val"), "holds val/ with class folders, and no train/"),
        (
            ("bus/5x", "car/5x", "train/5x", "train/thumbs/1x"),
            "train/ holds folders and images, and stands beside folders of images such as bus/",
        ),
        (("runs/1/run.json", "runs/1/curves.png", "a/2x"), "holds one class, 'a'"),
    ],
)
def test_what_is_neither_is_refused_in_one_line(tmp_path, paths, message):
    with pytest.raises(ValueError, match=message) as raised:
        data.load(make(tmp_path, *paths))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("part", ["test", "val"])
def test_only_images_to_evaluate_on(tmp_path, part):
    loaded = data.load(make(tmp_path, *below(part)), whole=True)
    assert (len(loaded.train), len(loaded.test), loaded.part) == (0, 10, part)


def test_a_class_of_one_image_is_evaluated(tmp_path):
    make(tmp_path, "a/1x", "b/1x")
    with pytest.raises(ValueError, match="at least two pictures"):
        data.load(tmp_path)
    assert len(data.load(tmp_path, whole=True).test) == 2


@pytest.mark.parametrize(
    ("base", "more", "text", "problem"),
    [
        ("", "a/more/3x", "1 folders within those of classes, with 3 images, such as ", True),
        ("", "a/x.heic", "1 files of classes that are no images by name, such as ", True),
        ("", "a/README", "1 files of classes that are no images by name, such as ", True),
        ("", "x.png", "1 images beside the folders, such as ", True),
        ("", "README", "1 files beside them, such as ", False),
        ("", "a/._0.png", "1 hidden files or folders", False),
        ("", ".cache/1.png", "1 hidden files or folders", False),
        ("", "__MACOSX/a/1.png", "1 hidden files or folders", False),
        ("train", "extra/a/4x", "1 folders beside train/, with 4 images, such as ", True),
        ("train", "testing/2x", "1 folders beside train/, with 2 images, such as ", True),
        ("train", "train/2x", "2 images beside the folders, such as ", True),
        ("train", "x.png", "1 images beside the folders, such as ", True),
        ("", "mine/run.json", "1 folders of runs or studies, with 0 images, such as ", True),
        ("", "mine/study.json", "1 folders of runs or studies, with 0 images, such as ", True),
        ("", "runs/x-1/run.json", "1 folders of runs or studies, with 0 images, such as ", True),
        ("train", "train/mine/run.json", "1 folders of runs or studies, with 0 images, such", True),
        ("train", "mine/run.json", "1 folders of runs or studies, with 0 images, such as ", True),
        ("", "a/mine/run.json", "1 folders of runs or studies, with 0 images, such as ", True),
    ],
)
def test_what_is_not_used_is_said(tmp_path, base, more, text, problem):
    """And changes nothing: not the classes, not what is held out."""
    make(tmp_path, *(below(base) if base else TWO))
    plain = data.load(tmp_path)
    make(tmp_path, more)
    loaded = data.load(tmp_path)
    assert loaded.label_names == ("a", "b")
    for one, other in ((loaded.train, plain.train), (loaded.test, plain.test)):
        assert one.fingerprint() == other.fingerprint()
    (note,) = [note for note in loaded.notes if note.text.startswith("not used")]
    assert note.text.startswith(f"not used: {text}")
    assert note.problem == problem
    if "such as" in text:
        assert note.text.partition("such as ")[2].startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["train", "test", "dev"])
def test_a_class_with_the_name_of_a_part_is_said(tmp_path, name):
    loaded = data.load(make(tmp_path, *TWO, f"{name}/5x"))
    texts = [note.text for note in loaded.notes if not note.problem]
    assert f"{name}/ holds no class folders, and is taken for a class itself" in texts


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".TIF", ".JFIF"])
def test_one_list_of_endings(tmp_path, suffix):
    """The same for folders and for `Walk`."""
    make(tmp_path, *TWO, f"a/x{suffix}")
    loaded = data.load(tmp_path, whole=True)
    assert f"{tmp_path}/a/x{suffix}" in loaded.test.names
    assert len(list(data.Walk([tmp_path]))) == 11


@pytest.mark.parametrize("kind", ["TIFF", "PPM"])
def test_formats_that_a_name_lets_in(tmp_path, kind):
    make(tmp_path, *TWO)
    content = hostile.encoded(hostile.PIXELS, kind)
    (tmp_path / "a" / f"x.{kind[:3].lower()}").write_bytes(content)
    loaded = data.load(tmp_path, whole=True)
    (i,) = [i for i, name in enumerate(loaded.test.names) if os.path.basename(name)[0] == "x"]
    assert (loaded.test.image(i) == hostile.PIXELS).all()
