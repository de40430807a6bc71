"""The bytes of every hostile file, to a picture or to a line, and then the server goes on."""

import os
import pathlib
import re
import stat

import hostile
import pytest

from keras_mixer.data import UnreadableImageError
from keras_mixer.serving import read_upload

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:Corrupt EXIF data")]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """Each regular file: its case and its content."""
    root = tmp_path_factory.mktemp("hostile") / "pictures"
    return [
        (case, pathlib.Path(case.path).read_bytes())
        for case in hostile.make(root)
        if os.path.exists(case.path)
        and stat.S_ISREG(os.stat(case.path).st_mode)
        and os.path.getsize(case.path) < 2**24
    ]


def refused(case):
    """Whether a server refuses it: it takes fewer formats."""
    return case.reason is not None or "tiff" in case.path


def test_read_upload(uploads):
    assert len(uploads) > 80
    wrong = []
    for case, content in uploads:
        try:
            picture = read_upload(content)
        except UnreadableImageError as error:
            if not refused(case) or not re.fullmatch("Cannot read image: .*", str(error)):
                wrong.append((case.path, str(error)))
            continue
        if refused(case) or picture.ndim != 3:
            wrong.append((case.path, picture.shape))
    assert wrong == []


def test_the_server(uploads, client, picture):
    wrong = []
    for case, content in uploads:
        answer = client.classify(content)
        if answer.status_code == 200:
            fine = not refused(case) and len(answer.json()["predictions"]) == 1
        else:
            (line,) = answer.text.splitlines()
            fine = refused(case) and answer.status_code in (413, 415, 422)
            fine = fine and line.startswith('{"detail":"') and "Traceback" not in line
        if not fine:
            wrong.append((case.path, answer.status_code, answer.text))
    assert wrong == []
    assert client.classify(picture()).status_code == 200
