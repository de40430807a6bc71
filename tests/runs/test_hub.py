"""Pushing to a hub on loopback and loading from it, through huggingface_hub itself."""

import base64
import itertools
import json
import subprocess
import sys
import traceback

import huggingface_hub
import keras
import numpy as np
import pytest
from hub import TOKEN, Commit, Repository
from runs.pushable import pushable

from keras_mixer import Mixer
from keras_mixer.runs import load_run, push
from keras_mixer.runs.hub_names import HubName, parse

# Of huggingface_hub 2.4.0, where it uploads without Xet.
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]
FILES = {"README.md", "labels.json", "run.json", "model.keras"}


@pytest.fixture
def run(tmp_path, tiny, randomize):
    model = randomize(Mixer(tiny, weights=None, classes=2, classifier_activation=None))
    return pushable(tmp_path / "run", model)


def test_another_machine_predicts_the_same(hub, run, rng, tmp_path, monkeypatch, capsys):
    done = push(run, "hf://user/digits", license="mit", message="First")
    assert done.target == "hf://user/digits"
    assert done.change.url == f"{hub.url}/user/digits"
    assert (done.change.replaced, done.change.kept) == ((), ())
    assert {*hub.files("user/digits")} == FILES | {".gitattributes"}
    assert hub.repositories["user/digits"].at("main").message == "First"
    assert done.change.commit == hub.repositories["user/digits"].branches["main"]
    assert hub.files("user/digits")["model.keras"] == (run / "model.keras").read_bytes()
    capsys.readouterr()
    again = load_run("hf://user/digits")
    assert again.label_names == ("blue", "red")
    assert "downloading run.json" in capsys.readouterr().err
    assert sorted(hub.fetched()) == ["labels.json", "model.keras", "run.json"]
    x = rng.uniform(-1, 1, (3, 8, 12, 3)).astype("float32")
    expected = load_run(run).load_model().predict(x, verbose=0)
    np.testing.assert_array_equal(again.load_model().predict(x, verbose=0), expected)
    # From the cache: nothing is fetched twice, and without a network nothing is asked.
    assert load_run("hf://user/digits").path == again.path
    assert len(hub.fetched()) == 3
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("KERAS_MIXER_OFFLINE", "1")
    asked = len(hub.requests)
    assert load_run("hf://user/digits").path == again.path
    assert len(hub.requests) == asked
    with pytest.raises(ConnectionError, match="not in the cache, and KERAS_MIXER_OFFLINE forbids"):
        load_run("hf://user/other")
    with pytest.raises(ConnectionError, match="KERAS_MIXER_OFFLINE is set"):
        push(run, "hf://user/digits")


def test_what_is_replaced_is_said_and_kept(hub, run):
    hub.repositories["user/old"] = Repository()
    files = {"README.md": b"by hand", "notes.txt": b"mine", ".gitattributes": b""}
    old = hub.repositories["user/old"].add("main", Commit(files))
    done = push(run, "hf://user/old")
    assert (done.change.replaced, done.change.kept) == (("README.md",), ("notes.txt",))
    repository = hub.repositories["user/old"]
    assert repository.at("main").parent == old  # One commit.
    assert repository.at("main").files["notes.txt"] == b"mine"
    assert repository.at(old).files["README.md"] == b"by hand"
    load_run(f"hf://user/old@{done.change.commit}")
    with pytest.raises(FileNotFoundError, match=r"is no pushed run: it has no run\.json, labels"):
        load_run(f"hf://user/old@{old}")
    # The same again is no other commit, and replaces nothing.
    again = push(run, "hf://user/old")
    assert again.change.commit == done.change.commit
    assert again.change.replaced == ()


def test_branches(hub, run):
    push(run, "hf://user/name")
    main = hub.repositories["user/name"].branches["main"]
    changed = json.loads((run / "run.json").read_text()) | {"seed": 4}
    (run / "run.json").write_text(json.dumps(changed))
    done = push(run, "hf://user/name", revision="second")
    assert done.target == "hf://user/name@second"
    assert hub.repositories["user/name"].branches["main"] == main
    assert load_run("hf://user/name@second").config["seed"] == 4
    assert load_run("hf://user/name").config["seed"] == 3
    assert b"hf://user/name@second" in hub.files("user/name", "second")["README.md"]
    with pytest.raises(FileNotFoundError, match="has no branch, tag or commit third"):
        load_run("hf://user/name@third")
    with pytest.raises(ValueError, match="two branches"):
        push(run, "hf://user/name@one", revision="two")


def test_private_repositories(hub, run, monkeypatch):
    push(run, "hf://user/secret", private=True)
    assert hub.repositories["user/secret"].private
    push(run, "hf://user/secret", private=True)
    push(run, "hf://user/open")
    with pytest.raises(ValueError, match="exists and is public, and --private is for a new"):
        push(run, "hf://user/open", private=True)
    monkeypatch.delenv("HF_TOKEN")
    load_run("hf://user/open")
    with pytest.raises(FileNotFoundError, match=r"or none for this login \(404\).*hf auth login"):
        load_run("hf://user/secret")
    with pytest.raises(PermissionError, match=r"\(401\): log in with"):
        push(run, "hf://user/new")


def test_a_commit_meanwhile_is_not_overwritten(hub, run, monkeypatch):
    push(run, "hf://user/name")
    (run / "labels.json").write_text('["a", "b"]')
    true = huggingface_hub.HfApi.create_commit

    def create_commit(self, *arguments, **options):
        repository = hub.repositories["user/name"]
        repository.add("main", Commit({"other.txt": b""}, repository.branches["main"]))
        return true(self, *arguments, **options)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", create_commit)
    with pytest.raises(ConnectionError, match=r"changed meanwhile \(412\)"):
        push(run, "hf://user/name")
    assert {*hub.files("user/name")} == {"other.txt"}


def test_only_what_is_needed_is_fetched(hub, run, tmp_path):
    """Whatever else a repository holds, under whatever name, stays there."""
    push(run, "hf://user/name")
    repository = hub.repositories["user/name"]
    tricks = ("../../../out.txt", "/etc/x", "run.json/../../y", "code.py", "sub/model.keras")
    files = {**repository.at("main").files, **dict.fromkeys(tricks, b"bad")}
    repository.add("main", Commit(files, repository.branches["main"]))
    found = load_run("hf://user/name")
    assert {path.name for path in found.path.iterdir()} == {
        "run.json",
        "labels.json",
        "model.keras",
    }
    assert sorted(hub.fetched()) == ["labels.json", "model.keras", "run.json"]
    cache = tmp_path / "cache"
    assert all(p.resolve().is_relative_to(cache) for p in cache.rglob("*"))
    assert {p.name for p in tmp_path.iterdir()} == {"cache", "run"}


def test_a_push_that_breaks_off_is_whole_or_not_there(hub, run):
    """At every request; the same push again goes through, with the same options."""
    for private in (True, False):
        for asked in itertools.count():
            hub.repositories.clear()
            hub.stored.clear()
            hub.answer, hub.left = 403, asked
            try:
                push(run, "hf://user/digits", private=private, revision="next")
                break
            except PermissionError:
                hub.answer = None
            if "user/digits" in hub.repositories:
                for commit in hub.repositories["user/digits"].commits.values():
                    assert {*commit.files} in ({".gitattributes"}, FILES | {".gitattributes"})
            push(run, "hf://user/digits", private=private, revision="next")
            assert {*hub.files("user/digits", "next")} == FILES | {".gitattributes"}
        assert asked > 5


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_refusals_are_one_line_without_the_token(hub, run, status, capfd, caplog):
    """Even where the server repeats the login in its answer."""
    hub.answer = status
    for act in (lambda: load_run("hf://user/name"), lambda: push(run, "hf://user/name")):
        with pytest.raises(OSError, match=str(status)) as caught:
            act()
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__
        assert TOKEN not in str(caught.value)
    assert TOKEN not in capfd.readouterr().err + caplog.text


@pytest.mark.parametrize("status", [None, 400, 401, 404, 429, 500])
def test_a_login_in_the_address_of_the_hub_is_used_and_not_told(
    hub, run, status, monkeypatch, caplog, capfd
):
    """Neither by an error nor by what is pushed, printed or logged."""
    login = base64.b64encode(b"WHO7:SECRET/pass").decode()
    hub.basic, hub.answer = f"Basic {login}", status
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("://", "://WHO7:SECRET%2Fpass@"))
    caplog.set_level("INFO")
    told = ""
    if status is None:
        done = push(run, "hf://user/name")
        assert done.change.url == f"{hub.url}/user/name"
        assert load_run("hf://user/name").config["seed"] == 3
        told += str(hub.repositories["user/name"].at("main"))
    else:
        for act in (lambda: load_run("hf://user/name"), lambda: push(run, "hf://user/name")):
            with pytest.raises(OSError, match=str(status)) as caught:
                act()
            told += "".join(traceback.format_exception(caught.value))
    told += caplog.text + "".join(capfd.readouterr())
    assert "127.0.0.1" in told
    for secret in ("SECRET", "WHO7", login):
        assert secret not in told


@pytest.mark.parametrize("token", ["hf_bad", "hf_odd\x01character", "hf_ümlaut"])
def test_a_wrong_login(hub, run, token, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PermissionError, match="log in with `hf auth login`, or set HF_TOKEN") as no:
        push(run, "hf://user/name")
    assert token not in str(no.value) + capfd.readouterr().err


def test_debug_shows_no_token_either(hub, run, tmp_path):
    """A traceback of a process of its own."""
    hub.answer = 403
    code = "import sys, keras_mixer_cli as c; sys.exit(c.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "push", str(run), "hf://user/name", "--debug"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "refuses this to this login (403)" in done.stderr
    assert TOKEN not in done.stderr + done.stdout


def test_no_network(run, monkeypatch):
    monkeypatch.delenv("KERAS_MIXER_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for act in (lambda: load_run("hf://user/name"), lambda: push(run, "hf://user/name")):
        with pytest.raises(
            ConnectionError, match=r"Cannot reach http://127.0.0.1:9: .*HF_ENDPOINT"
        ):
            act()
    huggingface_hub.close_session()


def test_a_model_with_code_in_it_is_refused(hub, run, tmp_path):
    push(run, "hf://user/bad")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "bad.keras")
    repository = hub.repositories["user/bad"]
    files = repository.at("main").files | {"model.keras": (tmp_path / "bad.keras").read_bytes()}
    repository.add("main", Commit(files, repository.branches["main"]))
    with pytest.raises(
        ValueError, match=r"refused: it has __lambda__, keras\.layers\.Lambda"
    ) as caught:
        load_run("hf://user/bad").load_model()
    assert "\n" not in str(caught.value)


def test_names():
    assert parse("hf://user/name") == HubName("user/name")
    assert parse("hf://u-1/a.b_c@refs/pr/1") == HubName("u-1/a.b_c", "refs/pr/1")
    assert str(parse("hf://user/name@v1")) == "hf://user/name@v1"
    for name in (
        *("hf://", "hf://name", "hf://a/b/c", "hf://../x", "hf://a/b@", "hf://a/b@../../x"),
        *("hf://a/b@/x", "hf://a b/c", "hf://a/b.git", "hf://a//b", "hf:///a/b", "hf://a/b@x y"),
    ):
        with pytest.raises(ValueError, match=r"is not hf://user/name or hf://user/name@revision"):
            parse(name)
