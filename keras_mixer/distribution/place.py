"""Where a process stands among those that train together: what the rest of the package asks."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_mixer.distribution.group import Group


@dataclasses.dataclass(frozen=True)
class Distribution:
    """One process of a training; by default the only one, on one device.

    Args:
        kind: `"none"`, `"data"` (each device has the model and a part of each batch) or `"model"`
            (each device has a part of both MLPs).
        process: number of this process.
        processes: how many there are.
        replicas: parts that each batch is cut into, over all processes.
        split: devices that share one model; above 1 with `"model"` alone.
        group: the connections to the other processes, where there are any.
    """

    kind: str = "none"
    process: int = 0
    processes: int = 1
    replicas: int = 1
    split: int = 1
    group: Group | None = None

    def __str__(self) -> str:
        if self.kind == "model":
            return f"each model split over {self.split} devices, batches over {self.replicas}"
        return f"batches split over {self.replicas} devices in {self.processes} processes"

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.process == 0

    @property
    def shard(self) -> tuple[int, int]:
        """(number, count): the part of each batch that this process reads."""
        return self.process, self.processes

    def check_batch(self, images: int) -> None:
        """Raises unless the images of a step, or of a part of one, fall into equal parts.

        Raises:
            ValueError: they do not.
        """
        if images % self.replicas:
            raise ValueError(
                f"{images} images at once cannot be shared by {self.replicas} devices. Choose a "
                f"batch size (--batch-size), divided by the accumulation, that is a multiple of "
                f"{self.replicas}."
            )

    def check_accumulation(self, parts: int) -> None:
        """Raises unless a batch can be computed in so many parts, one after the other.

        Raises:
            ValueError: it cannot.
        """
        if parts > 1 and self.replicas > 1 and keras.backend.backend() == "tensorflow":
            raise ValueError(
                "Keras cannot accumulate gradients under MirroredStrategy. Leave out the "
                "accumulation (--accumulation 1), or use --backend jax or torch."
            )

    def check_widths(self, **widths: int) -> None:
        """Raises unless the hidden widths of a Mixer's MLPs can be split.

        Raises:
            ValueError: one cannot.
        """
        for name, width in widths.items():
            if width % self.split:
                raise ValueError(
                    f"`{name}` = {width} cannot be split over {self.split} devices. Use a number "
                    f"of devices that divides it (--split), or --distribute data."
                )

    def settle(self, model: keras.Model) -> None:
        """Makes all processes begin with the same numbers; before a `fit`."""

    def parted(self, images: np.ndarray) -> Any:
        """Images as `model.predict_on_batch` takes them here, each device its part."""
        return images

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What makes the metrics of a `fit` those of all processes."""
        return []

    def broadcast(self, data: bytes | None = None) -> bytes:
        """What the chief passes, in every process."""
        if self.group is None:
            assert data is not None
            return data
        return self.group.broadcast(data)

    def asked_to_end(self, signum: int | None) -> int | None:
        """The signal by which this process should end the run; see `Group.asked_to_end`."""
        return signum if self.group is None else self.group.asked_to_end(signum)

    def end(self, error: BaseException) -> None:
        """Tells the other processes why this one ends; see `Group.end`."""
        if self.group is not None:
            self.group.end(error)

    def refuse(self, **asked: Any) -> None:
        """Raises where something is asked for that goes with one process alone.

        Raises:
            ValueError: it is.
        """
        for name, value in asked.items():
            if value and self.processes > 1:
                raise ValueError(
                    f"`{name}` goes with one process; {self.processes} work here. Leave it out, "
                    "or use several devices in one process."
                )
