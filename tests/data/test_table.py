"""CSV files of paths and labels: each is understood exactly, or refused in one line."""

import pytest

from keras_mixer import data

pytestmark = pytest.mark.once

ROWS = [("blue/0.jpg", "blue"), ("blue/2.jpg", "blue"), ("red/0.jpg", "red"), ("red/2.jpg", "red")]
DIVIDED = [(*row, part) for row in ROWS for part in [("train", "test")["2" in row[0]]]]


def write(folder, rows, head, delimiter=",", encoding="utf-8"):
    lines = [delimiter.join(row) for row in [head, *rows]]
    (folder / "labels.csv").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return folder / "labels.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    "head", [("path", "label", "split"), ("Path", "LABEL", "Split"), (" path ", "label ", "split")]
)
def test_how_columns_are_divided_and_called(image_folder, delimiter, encoding, head):
    loaded = data.load(write(image_folder, DIVIDED, head, delimiter, encoding))
    assert loaded.label_names == ("blue", "red")
    assert [len(loaded.train), len(loaded.test), loaded.part] == [2, 2, "test"]
    assert loaded.notes == ()


def test_the_columns_in_another_order_and_with_more(image_folder):
    rows = [("x", label, path) for path, label in ROWS]
    loaded = data.load(write(image_folder, rows, ("Photographer", "label", "path"), ";"))
    assert loaded.label_names == ("blue", "red")
    assert [note.text for note in loaded.notes] == ["not used: the columns photographer"]


def test_spaces_after_each_comma(image_folder):
    """As the first line has them; where it has none, a space belongs to the label."""
    (image_folder / "labels.csv").write_text(
        'path, label\nblue/0.jpg, blue\nblue/2.jpg,blue\nred/0.jpg, "red"\nred/2.jpg, red\n'
    )
    assert data.load(image_folder / "labels.csv").label_names == ("blue", "red")
    (image_folder / "labels.csv").write_text(
        "path,label\nblue/0.jpg, blue\nblue/2.jpg,blue\nred/0.jpg,red\nred/2.jpg,red\n"
    )
    with pytest.raises(ValueError, match="names look the same: ' blue' and 'blue'"):
        data.load(image_folder / "labels.csv")


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev", " VALID "])
def test_every_name_of_the_validation_part(image_folder, name):
    rows = [(path, label, name if part == "test" else "Train") for path, label, part in DIVIDED]
    loaded = data.load(write(image_folder, rows, ("path", "label", "split")))
    assert [len(loaded.train), len(loaded.test), loaded.part] == [2, 2, "val"]


@pytest.mark.parametrize("part", ["test", "valid"])
def test_a_file_of_images_to_evaluate_on(image_folder, part):
    path = write(image_folder, [(*row, part) for row in ROWS], ("path", "label", "split"))
    loaded = data.load(path, whole=True)
    assert [len(loaded.train), len(loaded.test), loaded.part] == [0, 4, part.removesuffix("id")]
    with pytest.raises(ValueError, match="has 0 classes to train on"):
        data.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path label\na.png cat", r"no column label and none path .*commas, semicolons or tabs"),
        ("path|label\na.png|cat", r"no column label and none path .*Received: 'path\|label'"),
        ("a.png,cat\nb.png,dog", "no column label and none path .*Received: 'a.png,cat'"),
        ("path,label,Path\na,b,c", "has the column path twice in its first line"),
        ("path,label,split\na.png,cat,training", "split of train, test, val, valid, validation"),
        ("path,label\na,b.png,cat", "no more fields than the first line. Received: "),
        (
            "path,label,split\na.png,cat,val\nb.png,dog,dev\nc.png,cat,",
            "has both val and dev: keep one",
        ),
        (
            "path,label,split\na.png,cat,train\n./a.png,dog,test",
            r"line 3: a.png is 'dog' here and the label 'cat' in line 2\. Keep one of the rows",
        ),
        (
            "path,label\nx/../a.png,cat\na.png,dog",
            "line 3: a.png is 'dog' here and the label 'cat'",
        ),
        (
            "path,label,split\na.png,cat,train\na.png,cat,test",
            "line 3: a.png is test here and in train in line 2",
        ),
        ("path,label\n" + "a.png,\u200b\nb.png,cat", "of which no name is seen"),
    ],
)
def test_what_is_not_understood_is_one_line(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as raised:
        data.load(tmp_path / "labels.csv")
    assert str(raised.value).isprintable()


def test_a_row_may_come_twice(image_folder):
    loaded = data.load(write(image_folder, [*ROWS, *ROWS], ("path", "label")), check=False)
    assert len(loaded.train) + len(loaded.test) == 8
