"""What `python -m benchmarks` times: the parts, the simulators, and which of them run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from benchmarks.head import Size
from benchmarks.timing import Timing, compare
from hqlm.errors import ConfigError, MissingDependency
from hqlm.registry import suggestion

_SLOW: Final = 1000.0  # milliseconds; a simulator that takes longer is spared the larger sizes


@dataclass(frozen=True)
class Peer:
    """A simulator: what it is called and the package that it needs."""

    title: str
    package: str


NATIVE: Final = {"native": Peer("native", "numba"), "native_noisy": Peer("native, noisy", "numba")}
PEERS: Final = {
    "plain_torch": Peer("plain PyTorch", "torch"),
    "pennylane_default": Peer("PennyLane default.qubit, backprop", "pennylane"),
    "pennylane_lightning": Peer("PennyLane lightning.qubit, adjoint", "pennylane_lightning"),
    "pennylane_mixed": Peer("PennyLane default.mixed, backprop", "pennylane"),
    "pennylane_backend": Peer("PennyLaneBackend, default.qubit", "pennylane"),
    "lightning_backend": Peer("PennyLaneBackend, lightning.qubit", "pennylane_lightning"),
    "cirq_by_hand": Peer("Cirq's Simulator", "cirq"),
    "cirq_backend": Peer("CirqBackend", "cirq"),
    "tensorcircuit": Peer("TensorCircuit-NG, JAX, jitted", "tensorcircuit"),
    "qiskit": Peer("Qiskit TorchConnector, input gradients", "qiskit_machine_learning"),
    "qiskit_by_hand": Peer("Aer EstimatorV2 by hand, parameter shift", "qiskit_aer"),
    "qiskit_backend": Peer("QiskitBackend, parameter shift", "qiskit_aer"),
}
_WHOLE: Final = ("native", "plain_torch", "pennylane_default", "pennylane_lightning", "tensorcircuit")


@dataclass(frozen=True)
class Part:
    """One table.

    Args:
        title: its heading.
        step: what runs, see `steps.py`.
        sizes: its rows.
        peers: its columns; the first is what the others are compared with.
        agree: whether values and gradients must be equal.
    """

    title: str
    step: str
    sizes: tuple[Size, ...]
    peers: tuple[str, ...]
    agree: bool = True


PARTS: Final = {
    "train": Part("Training step of the paper's head", "train", tuple(map(Size, (6, 8, 10, 12, 14, 16))), _WHOLE),
    "inference": Part("Inference", "inference", (Size(10, 1024),), _WHOLE),
    "second": Part(
        "Training step of the second module, with gradients of its inputs",
        "second",
        (Size(4), Size(6)),
        ("native", "pennylane_default", "qiskit"),
    ),
    "noise": Part(
        "Noisy training step of the second module against the noiseless one "
        "(density matrices up to 8 qubits, then 64 trajectories)",
        "second",
        (Size(8), Size(10)),
        ("native", "native_noisy"),
        agree=False,
    ),
    "mixed": Part(
        "Exact noisy training step of the second module", "second", (Size(6),), ("native_noisy", "pennylane_mixed")
    ),
    "adapter_pennylane": Part(
        "PennyLaneBackend beside a QNode written by hand",
        "train",
        (Size(4), Size(8)),
        ("pennylane_default", "pennylane_backend"),
    ),
    "adapter_lightning": Part(
        "PennyLaneBackend on lightning.qubit beside a QNode written by hand, with gradients of the inputs",
        "second",
        (Size(4),),
        ("pennylane_lightning", "lightning_backend"),
    ),
    "adapter_qiskit": Part(
        "Training step of the second module by parameter shift, with gradients of its inputs",
        "second",
        (Size(4), Size(6)),
        ("qiskit_by_hand", "qiskit_backend", "qiskit"),
    ),
    "adapter_cirq": Part(
        "Inference by CirqBackend beside a sweep written by hand",
        "inference",
        (Size(4), Size(8)),
        ("cirq_by_hand", "cirq_backend"),
    ),
    "layers": Part(
        "Cost of depth", "train", tuple(Size(10, layers=layers) for layers in (1, 2, 4, 8, 16, 32)), ("native",)
    ),
    "batch": Part("Cost of rows", "train", tuple(Size(10, batch) for batch in (1, 4, 16, 64, 256, 1024)), ("native",)),
}
SWEEPS: Final = ("layers", "batch")  # for the plot


def choose(names: Sequence[str]) -> list[str]:
    """The simulators named, or all that are installed.

    Raises:
        ConfigError: for a name that does not exist.
        MissingDependency: for one whose package is not installed.
    """
    for name in names:
        if name not in PEERS:
            raise ConfigError(f"--peers: there is no '{name}'. {suggestion(name, list(PEERS))}")
    installed = [name for name, peer in PEERS.items() if find_spec(peer.package) is not None]
    missing = sorted({PEERS[name].package for name in names if name not in installed})
    if missing:
        raise MissingDependency(f"bench: not installed: {', '.join(missing)}. Install them or leave --peers out")
    return list(names) or installed


def run(name: str, part: Part, wanted: Sequence[str], repeats: int) -> Iterator[Timing]:
    """The timings of a part, size by size; simulators that are not wanted are left out."""
    peers = [peer for peer in part.peers if peer in NATIVE or peer in wanted]
    if len(peers) < min(2, len(part.peers)):
        return  # nothing to compare with
    slow: dict[str, str] = {}
    for size in part.sizes:
        found = compare(name, part.step, size, [peer for peer in peers if peer not in slow], repeats, part.agree)
        yield from found
        yield from (Timing(name, peer, size, found[0].n_gates, None, None, note) for peer, note in slow.items())
        for timing in found:
            if timing.peer != peers[0] and (timing.milliseconds or 0.0) > _SLOW:
                slow[timing.peer] = "spared"
