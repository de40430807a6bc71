"""timm's Mixer: a peer of `throughput.py`."""

import functools

import torch

try:
    import timm
except RuntimeError:  # A torchvision that was built for another PyTorch describes operators of its
    # own that are then not there. timm uses none of them for a Mixer.
    _LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for _operator in ("nms", "qnms"):
        _LIBRARY.define(f"{_operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import timm


class TimmTask:
    """As `keras_mixer.profiling.Task`, of a Mixer of timm.

    With `dtype="bfloat16"` under `torch.autocast`, the weights in float32, as ours.
    """

    def __init__(
        self, name, image_size, *, macs, training, dtype, approximate, compiled, classes=1000
    ):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = timm.create_model(
            f"{name}_224",
            img_size=image_size,
            num_classes=classes,
            act_layer=functools.partial(
                torch.nn.GELU, approximate="tanh" if approximate else "none"
            ),
        )
        self.model = model.to(self.device).train(training)
        self.run = torch.compile(self.model) if compiled else self.model
        self.shape, self.classes, self.training = (3, *image_size), classes, training
        self.flops = 2 * macs * (3 if training else 1)
        self.autocast = lambda: torch.autocast(
            self.device, torch.bfloat16, enabled=dtype == "bfloat16"
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), 1e-3, weight_decay=1e-4, fused=True
        )
        self.loss = torch.nn.CrossEntropyLoss()

    def call(self, batch_size):
        images = 2 * torch.rand(batch_size, *self.shape, device=self.device) - 1
        labels = torch.randint(0, self.classes, (batch_size,), device=self.device)

        def infer():
            with torch.inference_mode(), self.autocast():
                return self.run(images).float().cpu()

        def train():
            self.optimizer.zero_grad()
            with self.autocast():
                loss = self.loss(self.run(images), labels)
            loss.backward()
            self.optimizer.step()
            return loss.item()

        return train if self.training else infer

    def state_bytes(self):
        held = list(self.model.parameters())
        for slots in self.optimizer.state.values():
            held += [value for value in slots.values() if torch.is_tensor(value)]
        return sum(tensor.nbytes for tensor in held)
