"""A link as the place of an output: what it points to is written; a link to nothing is refused."""

import json

import keras
import pytest
from runs.pushable import pushable

from keras_mixer import Mixer
from keras_mixer.export import FORMATS

pytestmark = pytest.mark.once


@pytest.fixture
def run(tmp_path, tiny, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    return pushable(tmp_path / "run", model)


OUTPUTS = {
    "finetune": ("finetune", "PICTURES", "--steps", "2", "--output", "OUT"),
    "predict": ("predict", "RUN", "PICTURES", "--output", "OUT.csv"),
    "predictions": ("evaluate", "RUN", "PICTURES", "--predictions", "OUT.npz"),
    "evaluate": ("evaluate", "RUN", "PICTURES", "--output", "OUT"),
    "push": ("push", "RUN", "OUT"),
    "convert": ("weights", "convert", "RUN/model.keras", "OUT.npz"),
    "visualize": ("visualize", "RUN", "--blocks", "0", "--output", "OUT"),
    "show": ("datasets", "show", "PICTURES", "--image-size", "16", "--output", "OUT.png"),
}
EXPORTS = [name for name, row in FORMATS.items() if keras.backend.backend() in row.writers]
# "nothing is overwritten" is said of these where anything has the name.
NEW = {"convert"}


def words(template, run, pictures, out):
    names = {"RUN": run, "PICTURES": pictures, "OUT": out}
    for word in template:
        for name, value in names.items():
            if word.startswith(name):
                word = f"{value}{word.removeprefix(name)}"
                break
        yield word


@pytest.mark.parametrize("what", OUTPUTS)
def test_a_link_to_nothing(what, run, run_command, image_folder, tmp_path):
    command = list(words(OUTPUTS[what], run, image_folder, tmp_path / "link"))
    link = next(tmp_path / word for word in command if word.startswith(str(tmp_path / "link")))
    link.symlink_to("missing")
    code, _, err = run_command(*command)
    last = err.splitlines()[-1]
    assert code == 1, err
    if what in NEW:
        assert last.endswith("exists, and nothing is overwritten. Choose another name.")
    else:
        assert f"{link} is a link to missing, which does not exist. Remove {link}, or" in last
    assert link.is_symlink()
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_replaces_no_link(name, run, run_command, image_folder, tmp_path):
    output = tmp_path / f"link{FORMATS[name].suffix}"
    output.symlink_to("missing")
    code, _, err = run_command(
        "export", run, "--format", name, "--images", image_folder, "--output", output
    )
    assert code == 1
    assert err.splitlines()[-1].endswith(
        f"{output} exists already, and nothing is overwritten. Choose another --output or "
        "remove it."
    )
    assert output.is_symlink()


@pytest.mark.parametrize("what", ["predict", "predictions", "push", "visualize", "show"])
def test_a_link_to_something(what, run, run_command, image_folder, tmp_path):
    """To a folder, or to a file that an earlier command has written."""
    (tmp_path / "far").mkdir()
    template = OUTPUTS[what]
    real = list(words(template, run, image_folder, tmp_path / "far" / "real"))
    assert run_command(*real)[0] == 0
    command = list(words(template, run, image_folder, tmp_path / "link"))
    (name,) = {word for word in command if word.startswith(str(tmp_path / "link"))}
    (target,) = {word for word in real if word.startswith(str(tmp_path / "far"))}
    link = tmp_path / name
    link.symlink_to(target)
    before = sorted(path.name for path in (tmp_path / "far").rglob("*"))
    code, _, err = run_command(*command)
    assert code == 0, err
    assert link.is_symlink()
    assert sorted(path.name for path in (tmp_path / "far").rglob("*")) == before
    if what == "push":
        assert json.loads((link / "run.json").read_text())["finished"]
