"""Whole networks with random weights: forward at batch 1 and 8, and training steps.

The twin in PyTorch is the same source (loopnest/models) with its import changed; ONNX Runtime and OpenVINO
read what PyTorch exports of it. LiteRT is not among them: its converter needs TensorFlow.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import loopnest
from loopnest import models, nn, optim, shapes
from loopnest.bench.rivals import Impossible
from loopnest.bench.timing import Candidate, python_repeat

# name -> (file of models/, constructor, input of one image)
NETWORKS = {
    "lenet5": ("lenet", "lenet5", (1, 32, 32)),
    "resnet50": ("resnet", "resnet50", (3, 224, 224)),
    "mobilenetv2": ("mobilenet", "mobilenet_v2", (3, 224, 224)),
    "vgg16": ("vgg", "vgg16", (3, 224, 224)),
    "resnet20": ("resnet", "resnet20", (3, 32, 32)),
}
FORWARD = ("lenet5", "resnet50", "mobilenetv2", "vgg16")
TRAINED = ("lenet5", "resnet20", "char-lstm", "char-gru", "char-rnn")
CELLS = {"char-lstm": "LSTM", "char-gru": "GRU", "char-rnn": "RNN"}
VOCABULARY, HIDDEN, STEPS, SEQUENCES = 65, 128, 50, 50


class Characters(nn.Module):
    """Two recurrent layers over one-hot characters (Karpathy's char-rnn), scores for the next character."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cells = getattr(nn, kind)(VOCABULARY, HIDDEN, num_layers=2)
        self.head = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, x: Any) -> Any:
        y = self.head(self.cells(x)[0])
        return y.reshape(y.shape[0] * y.shape[1], VOCABULARY)


class Network:
    """One network, its input, and the state that all twins start from."""

    def __init__(self, name: str, batch: int, train: bool = False) -> None:
        self.name, self.batch, self.train = name, batch, train
        rng = np.random.default_rng(0)
        loopnest.manual_seed(0)
        if name in CELLS:
            if not hasattr(nn, CELLS[name]):
                raise Impossible(f"{CELLS[name]}: not there yet")
            self.ours: Any = Characters(CELLS[name])
            index = rng.integers(0, VOCABULARY, (STEPS, SEQUENCES))
            self.x = np.eye(VOCABULARY, dtype=np.float32)[index]
            self.target = rng.integers(0, VOCABULARY, STEPS * SEQUENCES)
        else:
            _, constructor, image = NETWORKS[name]
            self.ours = getattr(models, constructor)()
            self.x = rng.standard_normal((batch, *image), np.float32)
            self.target = rng.integers(0, 10, batch)
        # Untrained, the signal would die or grow through fifty layers in evaluation mode: statistics of
        # a first pass in training mode keep it near 1.
        if name not in CELLS and not train:
            self.ours.train()
            with loopnest.no_grad():
                self.ours(loopnest.tensor(self.x[:1] if name != "lenet5" else self.x))
        self.ours.train(train)
        self.state = {k: np.array(v.detach()) for k, v in self.ours.state_dict().items()}

    def flops(self) -> float:
        """2 per multiply-add of convolutions, linear and recurrent layers, padding not counted; forward."""
        total = [0.0]

        def count(module: Any, args: Any, result: Any) -> None:
            x = args[0]
            if isinstance(module, nn.Conv2d):
                shape: Any = shapes.Conv2dShape
                total[0] += shape(
                    x.shape[0],
                    x.shape[1],
                    *x.shape[2:],
                    module.out_channels,
                    *module.kernel_size,
                    *module.stride,
                    *module.padding,
                    *module.dilation,
                    module.groups,
                ).flop
            elif isinstance(module, nn.Linear):
                rows = int(np.prod(x.shape[:-1]))
                total[0] += 2.0 * rows * module.in_features * module.out_features

        if self.name in CELLS:
            gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[CELLS[self.name]]
            places = STEPS * SEQUENCES
            return 2.0 * places * (gates * HIDDEN * (VOCABULARY + 3 * HIDDEN) + HIDDEN * VOCABULARY)
        handles = [m.register_forward_hook(count) for m in self.ours.modules()]
        with loopnest.no_grad():
            self.ours(loopnest.tensor(self.x))
        for handle in handles:
            handle.remove()
        return total[0]


# ---- ours ----


def ours(case: Network, threads: int) -> dict[str, Candidate]:
    loopnest.set_num_threads(threads)
    case.ours.load_state_dict(case.state)
    x = loopnest.tensor(case.x)
    if case.train:
        return {"python": _our_step(case, x)}
    compiled = loopnest.compile(case.ours, x)

    def eager() -> Any:
        with loopnest.no_grad():
            return case.ours(x)

    return {
        "compiled": Candidate(python_repeat(lambda: compiled(x)), lambda: [np.asarray(compiled(x))]),
        "eager": Candidate(python_repeat(eager), lambda: [np.asarray(eager())]),
    }


def _our_step(case: Network, x: Any) -> Candidate:
    target, loss_of = loopnest.tensor(case.target), nn.CrossEntropyLoss()
    parameters = list(case.ours.parameters())
    optimizer: Any = (
        optim.Adam(parameters, lr=2e-3)
        if case.name in CELLS
        else optim.SGD(parameters, lr=0.01, momentum=0.9)
    )

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of(case.ours(x), target)
        loss.backward()
        optimizer.step()
        return loss

    def result() -> list[Any]:
        case.ours.load_state_dict(case.state)
        optimizer.zero_grad()
        loss_of(case.ours(x), target).backward()
        return [np.array(p.grad) for p in parameters]

    return Candidate(python_repeat(step), result)


# ---- rivals ----


def _twin_module(name: str) -> ModuleType:
    """The source of the network with PyTorch in the place of loopnest."""
    path = Path(models.__file__).parent / f"{NETWORKS[name][0]}.py"
    source = path.read_text(encoding="utf-8").replace("from loopnest import nn", "from torch import nn")
    module = ModuleType(f"twin_{name}")
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def torch_twin(case: Network) -> Any:
    """The network in PyTorch, with the same weights."""
    import torch

    if case.name in CELLS:

        class Twin(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.cells = getattr(torch.nn, CELLS[case.name])(VOCABULARY, HIDDEN, num_layers=2)
                self.head = torch.nn.Linear(HIDDEN, VOCABULARY)

            def forward(self, x: Any) -> Any:
                return self.head(self.cells(x)[0]).reshape(-1, VOCABULARY)

        twin: Any = Twin()
    else:
        twin = getattr(_twin_module(case.name), NETWORKS[case.name][1])()
    twin.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in case.state.items()})
    return twin.train(case.train)


def torch_network(case: Network, threads: int) -> dict[str, Candidate]:
    import torch

    torch.set_num_threads(threads)
    if case.train:
        return _torch_steps(case)
    found: dict[str, Candidate] = {}

    def add(name: str, model: Any, x: Any) -> None:
        def run() -> Any:
            with torch.inference_mode():
                return model(x)

        run(), run()
        found[name] = Candidate(python_repeat(run), lambda: [run().numpy()])

    x = torch.from_numpy(case.x)
    last = x.contiguous(memory_format=torch.channels_last)
    add("nchw", torch_twin(case), x)
    add("nhwc", torch_twin(case).to(memory_format=torch.channels_last), last)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.freeze(torch.jit.trace(torch_twin(case), x))
        add("frozen", torch.jit.optimize_for_inference(traced), x)
    return found


def _torch_steps(case: Network) -> dict[str, Candidate]:
    import torch

    found = {}
    loss_of = torch.nn.CrossEntropyLoss()
    layouts = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
    for name, layout in {"": None}.items() if case.name in CELLS else layouts.items():
        twin = torch_twin(case)
        x, target = torch.from_numpy(case.x), torch.from_numpy(case.target)
        if layout is not None:
            twin, x = twin.to(memory_format=layout), x.contiguous(memory_format=layout)
        parameters = list(twin.parameters())
        optimizer: Any = (
            torch.optim.Adam(parameters, lr=2e-3, fused=True)
            if case.name in CELLS
            else torch.optim.SGD(parameters, lr=0.01, momentum=0.9, fused=True)
        )

        def step(twin: Any = twin, x: Any = x, target: Any = target, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(twin(x), target)
            loss.backward()
            optimizer.step()
            return loss

        def result(
            twin: Any = twin, x: Any = x, target: Any = target, parameters: Any = parameters
        ) -> list[Any]:
            twin.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in case.state.items()})
            return [g.numpy() for g in torch.autograd.grad(loss_of(twin(x), target), parameters)]

        found[name] = Candidate(python_repeat(step), result)
    return found


def onnx_of(case: Network) -> bytes:
    """The network as ONNX, by PyTorch's exporter. Impossible without PyTorch."""
    try:
        import torch
    except ImportError:
        raise Impossible("needs PyTorch to export the network") from None
    made: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            torch_twin(case),
            (torch.from_numpy(case.x),),
            made,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
        )
    return made.getvalue()


def rival(name: str, case: Network, threads: int) -> dict[str, Candidate]:
    """Candidates of a rival by its name."""
    if name == "torch":
        return torch_network(case, threads)
    if case.train:
        raise Impossible("training is compared with PyTorch only")
    if name == "onnxruntime":
        from loopnest.bench.rivals import onnxruntime

        return {"": onnxruntime.candidate(onnx_of(case), {"x": case.x}, threads)}
    if name == "openvino":
        from loopnest.bench.rivals import openvino

        model = onnx_of(case)
        return {
            "nchw": openvino.candidate(model, {"x": case.x}, threads),
            "nhwc": openvino.candidate(model, {"x": case.x}, threads, last=True),
        }
    if name == "litert":
        raise Impossible("its converter needs TensorFlow")
    raise Impossible("is not asked for whole networks")
