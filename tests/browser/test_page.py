"""The page in Chromium, in front of a real `keras-mixer web`: by mouse, keyboard and drop."""

import base64
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image
from served import LABELS, build, connected, encoded

from keras_mixer import serving

pytestmark = pytest.mark.browser

CODE = "import sys, keras_mixer_cli as c; sys.exit(c.main(sys.argv[1:]))"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DROP = """([name, content]) => {
    const text = typeof content === "number" ? "\\0".repeat(content) : atob(content);
    const bytes = Uint8Array.from(text, (one) => one.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type: "image/png" }));
    return data;
}"""
CONTRAST = """(selector) => {
    const light = (color) => {
        const parts = color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
        const linear = parts.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    let behind = document.querySelector(selector);
    const ink = light(getComputedStyle(behind).color);
    const ground = (element) => getComputedStyle(element).backgroundColor;
    while (ground(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const [low, high] = [ink, light(ground(behind))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""


def mixer():
    """The small Mixer with a head that tells colours apart: of grey all classes are as likely."""
    model = build()
    head = model.get_layer("head")
    features = keras.Model(model.input, model.get_layer("avg_pool").output)
    head.kernel.assign(20 * head.kernel)
    head.bias.assign(
        -keras.ops.matmul(features(np.zeros((1, 8, 12, 3), "float32")), head.kernel)[0]
    )
    return model


def other():
    """A model of two classes that is no Mixer."""
    image = keras.Input((8, 12, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    model.layers[-1].kernel.assign(np.random.default_rng(3).normal(0, 0.1, (288, 2)))
    return model


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a page with a Mixer and another model; SIGTERM ends it with exit code 0."""
    folder = tmp_path_factory.mktemp("web")
    mixer().save(folder / "mixer.keras")
    other().save(folder / "other.keras")
    targets = [str(folder / "mixer.keras"), str(folder / "other.keras")]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "web", *targets, "--port", "0", "--rate", "6000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line.rstrip().endswith("shows mixer.keras, other.keras"), process.stderr.read()
        address = line.split()[0]
        with connected(address) as client:
            for _ in range(1200):
                if all(model["ready"] for model in client.get("/models").json()):
                    break
                time.sleep(0.1)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read().splitlines()[-1] == "ready"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, url):
    """Opens the page as somebody new. Nothing may ask another host or say an error."""
    contexts, asked, said = [], [], []

    def opened(width=1280, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.choosers = []  # From now on: a dialog may open before Chromium heeds who asks later.
        page.on("filechooser", lambda one: page.choosers.append(one))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda one: said.append(one.text) if one.type != "log" else None)
        page.goto(url)
        page.get_by_role("option", name="mixer.keras").wait_for(state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    strangers = [one for one in asked if not one.startswith((f"{url}/", f"blob:{url}/", "data:"))]
    assert strangers == []
    # Chromium itself tells of each answer that is no success.
    assert [one for one in said if "the server responded with a status of 4" not in one] == []


@pytest.fixture
def picture(rng):
    """Makes arrays of one colour and some noise, each another one."""

    def made():
        color = rng.integers(0, 196, 3)
        return (color + rng.integers(0, 60, (20, 30, 3))).astype("uint8")

    return made


@pytest.fixture(scope="module")
def best():
    """The number of the class of a picture, and its share as the page writes it."""
    classifier = serving.Classifier(mixer(), LABELS)

    def of(pixels):
        one = classifier.classify([pixels], top=1)[0][0]
        return str(one.index), f"{100 * one.probability:.1f} %"

    return of


def drop(page, content):
    """Drops a file with that content, or with so many zeros, which its name calls a picture."""
    if isinstance(content, bytes):
        content = base64.b64encode(content).decode()
    data = page.evaluate_handle(DROP, ["picture.png", content])
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def the_chooser(page):
    """The dialog for files that was opened last."""
    for _ in range(600):
        if page.choosers:
            return page.choosers.pop()
        page.wait_for_timeout(50)
    raise AssertionError("no dialog for files")


def until(page, true):
    """Waits; the page's own policy forbids what Playwright does for it."""
    for _ in range(600):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(true)


def answer(page):
    """The first class and its share, once the page has said why."""
    page.get_by_role("heading", name="What it rests on").wait_for()
    first = page.get_by_role("list", name="The most probable classes").locator("li").first
    name, share = (first.locator(kind).inner_text() for kind in (".name", ".percent"))
    assert page.get_by_role("status").inner_text() == f"Most probably {name}, {share}."
    return name, share


def test_a_picture_is_dropped(visit, picture, best):
    page = visit()
    pixels = picture()
    drop(page, encoded(pixels))
    assert answer(page) == best(pixels)
    assert page.locator("#classes li").count() == 5
    assert page.locator("#units canvas").count() == 2 * 6
    assert page.get_by_role("img", name="Unit 0 of block 0").count() == 1
    assert page.get_by_role("img", name="The picture that was chosen").is_visible()
    drawn = "document.getElementById('map').toDataURL()"
    with_map = page.evaluate(drawn)
    page.get_by_label("Show the map over the picture").uncheck()
    assert page.evaluate(drawn) != with_map


def test_a_picture_is_picked_and_another_one_pasted(visit, picture, best, tmp_path):
    page = visit()
    pixels = picture()
    Image.fromarray(pixels).save(tmp_path / "some.png")
    page.get_by_role("button", name="Choose a picture").click()
    the_chooser(page).set_files(tmp_path / "some.png")
    assert answer(page) == best(pixels)

    pixels = picture()
    data = page.evaluate_handle(DROP, ["x.png", base64.b64encode(encoded(pixels)).decode()])
    paste = "(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))"
    page.evaluate(paste, data)
    assert answer(page) == best(pixels)


def test_from_loading_to_the_result_by_keyboard_alone(visit, picture, best, tmp_path):
    page = visit()
    Image.fromarray(picture()).save(tmp_path / "some.png")
    press = page.keyboard.press
    focused = "document.activeElement.id || document.activeElement.dataset.example"
    press("Tab")
    assert page.evaluate(focused) == "choose"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press("Space")
    the_chooser(page).set_files(tmp_path / "some.png")
    answer(page)
    press("Tab")
    press("Tab")
    assert page.evaluate(focused) == "examples/7.png"
    press("Enter")
    until(page, "document.getElementById('preview').naturalWidth === 8")
    example = serving.read_upload(page.request.get(f"{page.url}examples/7.png").body())
    assert answer(page) == best(example)
    for target in ("examples/8.png", "model", "overlay"):
        press("Tab")
        assert page.evaluate(focused) == target
    press("Space")
    assert not page.get_by_label("Show the map over the picture").is_checked()


@pytest.mark.parametrize("name", ["text named .png", "12000x12000", "too many bytes"])
def test_what_is_no_picture_is_told_in_the_server_s_words(visit, url, picture, best, name):
    content = {
        "text named .png": b"hello, I am a picture",
        "12000x12000": encoded(Image.new("1", (12_000, 12_000))),
        "too many bytes": 16 * 2**20 + 1,
    }[name]
    page = visit()
    pixels = picture()
    drop(page, encoded(pixels))
    answer(page)
    drop(page, content)
    alert = page.get_by_role("alert")
    alert.wait_for()
    sent = bytes(content) if isinstance(content, int) else content
    with connected(url) as client:
        kind = {"Content-Type": "image/png"}
        refused = client.post("/models/0/classify", content=sent, headers=kind)
    assert alert.inner_text() == refused.json()["detail"]
    assert page.locator("#classes li").count() == 0  # Of what was there before.
    assert page.get_by_role("status").inner_text() == ""
    assert not page.get_by_role("heading", name="What it rests on").is_visible()
    drop(page, encoded(pixels))
    assert answer(page) == best(pixels)
    assert alert.inner_text() == ""


def test_two_users_at_once_each_see_their_own(visit, picture, best):
    pages = [visit(), visit()]
    pictures = [picture() for _ in range(10)]
    classes = {best(pixels)[0]: pixels for pixels in pictures}
    pictures = list(classes.values())[:2]
    assert len(pictures) == 2
    for page, pixels in zip(pages, pictures, strict=True):
        drop(page, encoded(pixels))
    assert [answer(page) for page in pages] == [best(pixels) for pixels in pictures]


def test_another_model_is_chosen(visit, picture, best):
    page = visit()
    pixels = picture()
    drop(page, encoded(pixels))
    assert answer(page) == best(pixels)
    page.get_by_role("combobox", name="Model").select_option("other.keras")
    page.get_by_text("No token-mixing units: ").wait_for()
    assert page.locator("#classes li").count() == 2
    assert page.locator("#units canvas").count() == 0
    assert page.get_by_text("2 classes; it sees 12").is_visible()
    page.get_by_role("combobox", name="Model").select_option("mixer.keras")
    page.get_by_role("img", name="Unit 0 of block 1").wait_for()
    assert answer(page) == best(pixels)


def test_a_server_that_does_not_answer_is_told(chromium, url, picture):
    context = chromium.new_context()
    page = context.new_page()
    page.route("**/models", lambda route: route.abort())
    page.goto(url)
    told = page.get_by_role("alert").filter(has_text="The server does not answer. Start it again")
    told.wait_for()
    drop(page, encoded(picture()))
    page.locator("#preview").wait_for()
    told.wait_for()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_it(visit, picture, scheme):
    page = visit(width=375, scheme=scheme)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 375
    drop(page, b"text")
    page.get_by_role("alert").wait_for()
    assert page.evaluate(wide) == 375
    assert page.evaluate(CONTRAST, "#error") >= 4.5
    drop(page, encoded(picture()))
    answer(page)
    assert page.evaluate(wide) == 375
    for selector in ("h1", "header p", "#choose", "#about", "#classes li", "#units li span"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector  # WCAG 2.2, 1.4.3.
