"""A study: several trainings in one folder, and what they say together.

`study.json` says what was asked for and, in the end, what came out. A study that was cut short goes
on when it is asked for again; what has been trained is not trained again.
"""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_mixer.runs.begin import begun
from keras_mixer.runs.directory import STUDY, write_config
from keras_mixer.runs.experiment import surroundings
from keras_mixer.runs.request import Place


@contextlib.contextmanager
def study(place: Place, name: str, request: dict, say) -> Iterator[tuple[pathlib.Path, dict]]:
    """The folder of a study and the contents of its `study.json`, written when the block has ended.

    It then counts as finished, unless the block sets `complete` to `False` there.

    Args:
        place: where to.
        name: what to call a new folder.
        request: what is asked for, like JSON.
        say: called with a line.

    Raises:
        FileExistsError, FileNotFoundError, ValueError, RunInUseError: as `begun`.
    """
    request = {"study": name, **request, "backend": keras.backend.backend()}
    config: dict[str, Any] = {
        "finished": False,
        "command": place.command,
        **surroundings(),
        "request": json.loads(json.dumps(request)),
    }
    folder = name.replace(":", ".").replace("/", "_")
    begin = begun(place.output, folder, request, resume=place.resume, new=place.new, file=STUDY)
    with begin as (path, goes_on):
        if goes_on:
            say(f"study: going on with {path}")
        write_config(path, config, STUDY)
        yield path, config
        finished = config.pop("complete", True)
        write_config(path, {**config, "finished": finished}, STUDY)
