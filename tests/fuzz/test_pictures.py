"""Bytes that should be a picture: one, or an `UnreadableImageError`, and nothing else."""

import base64
import contextlib
import io
import json

import httpx
import numpy as np
import pytest
from fastapi import HTTPException
from fuzz.damage import JSON, damaged
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from served import served

from keras_mixer import Mixer, MixerSpec, serving
from keras_mixer.data import UnreadableImageError, decode
from keras_mixer.serving import read_upload
from keras_mixer.serving.body import uploads

pytestmark = pytest.mark.once

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1")


def encoded(format, mode="RGB") -> bytes | None:
    """A small picture; `None` where a format has no such mode."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype="uint8")
    file = io.BytesIO()
    try:
        Image.fromarray(pixels).convert("L" if mode == "I;16" else mode).convert(mode).save(
            file, format
        )
    except (OSError, ValueError):
        return None
    return file.getvalue()


WHOLE = {
    f"{format} {mode}": content
    for format in FORMATS
    for mode in MODES
    if (content := encoded(format, mode))
}


@pytest.mark.filterwarnings("ignore")  # PIL's, on what it can still read.
@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_damaged_pictures(format, data):
    names = [name for name in WHOLE if name.startswith(format)]
    content = data.draw(damaged(WHOLE[data.draw(st.sampled_from(names))]))
    for read in (decode, read_upload):
        with contextlib.suppress(UnreadableImageError):
            picture = read(content)
            assert picture.dtype == np.uint8
            assert picture.ndim == 3
            assert picture.shape[-1] == 3


@pytest.mark.parametrize("name", WHOLE)
def test_whole_pictures(name):
    assert decode(WHOLE[name]).shape == (9, 13, 3)


BASE64 = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
PICTURE = base64.b64encode(WHOLE["PNG RGB"]).decode()
BODIES = JSON | st.fixed_dictionaries(
    {
        "images": st.lists(
            BASE64
            | JSON
            | st.just(PICTURE)
            | damaged(PICTURE.encode()).map(lambda data: data.decode("latin1")),
            max_size=3,
        )
    },
    optional={"more": JSON},
)


@given(value=BODIES, data=st.data())
def test_bodies_of_requests(value, data):
    body = json.dumps(value).encode()
    body = data.draw(st.just(body) | damaged(body))
    kind = data.draw(
        st.sampled_from(
            ["application/json", "image/png", "text/html", "", "application/json;x=\xff"]
        )
    )
    refused = None
    try:
        found = uploads(kind, bytearray(body), 2)
        assert all(isinstance(content, bytes) for content in found.values())
    except HTTPException as error:
        refused = error
    assert refused is None or (refused.status_code in (415, 422) and refused.detail)


@pytest.fixture(scope="module")
def client():
    spec = MixerSpec("tiny", 4, 1, 8, 6, 16, (8, 12))
    classifier = serving.Classifier(Mixer(spec, weights=None, classes=2), ["a", "b"], crop="resize")
    with served(classifier, max_bytes=20_000, max_pixels=10_000, max_batch=4) as one:
        yield one


@pytest.mark.filterwarnings("ignore")
@given(value=BODIES, data=st.data())
def test_what_a_server_answers(client, value, data):
    """200 with classes, or 4xx with a reason; never 5xx."""
    body = json.dumps(value).encode()
    picture = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))]
    body = data.draw(st.just(body) | damaged(body) | st.just(picture) | damaged(picture))
    kind = data.draw(st.sampled_from(["application/json", "image/png", "text/html"]))
    query = data.draw(st.sampled_from(["", "?top=2", "?top=0", "?top=x", "?top=99999", "?x=1"]))
    answer = client.post(f"/v1/classify{query}", content=body, headers={"Content-Type": kind})
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    if answer.status_code != 200:
        assert answer.json()["detail"]
