"""One VQE step, energy and gradient, on 10 qubits beside PennyLane's default.qubit and lightning.qubit.

    python benchmarks/vqe.py

needs PennyLane. Energies and gradients are compared first; then all take turns, and medians of processor time are
shown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pennylane as qml
import torch
from torch import Tensor

from hqlm.algorithms import VQE, HamiltonianFile, IsingChain
from hqlm.circuits import BrickWallAnsatz, UCCSDAnsatz

DATA = Path(__file__).parents[2] / "configs" / "algorithms"
ROUNDS = 5
NAMES = {"X": "PauliX", "H": "Hadamard"}


def by_pennylane(model: VQE, device: str, method: str) -> Callable[[Tensor], Tensor]:
    """The same circuit and Hamiltonian as a QNode of torch weights."""
    circuit, terms = model.quantum.circuit, model.hamiltonian.terms
    words = [qml.pauli.string_to_pauli_word(word) for word, _ in terms]
    hamiltonian = qml.Hamiltonian([value for _, value in terms], words)

    @qml.qnode(qml.device(device, wires=circuit.n_qubits), interface="torch", diff_method=method)
    def node(weights: Tensor) -> object:
        for gate in circuit.gates:
            if gate.name == "SXDG":
                qml.adjoint(qml.SX)(wires=gate.wires)
                continue
            angles = () if gate.angle is None else (gate.angle.scale * weights[gate.angle.index],)
            getattr(qml, NAMES.get(gate.name, gate.name))(*angles, wires=gate.wires)
        return qml.expval(hamiltonian)

    return node


def step(energy: Callable[[Tensor], Tensor], weights: Tensor) -> tuple[float, float, Tensor]:
    """Processor time, energy and gradient."""
    weights.grad = None
    start = time.process_time()
    value = energy(weights)
    value.backward()
    return time.process_time() - start, float(value.detach()), weights.grad.clone()


def measure(title: str, model: VQE) -> None:
    model.configure_model()
    weights = model.quantum.weight
    peers = {
        "hqlm": lambda _: model(),
        "default.qubit, backprop": by_pennylane(model, "default.qubit", "backprop"),
        "default.qubit, adjoint": by_pennylane(model, "default.qubit", "adjoint"),
        "lightning.qubit, adjoint": by_pennylane(model, "lightning.qubit", "adjoint"),
    }
    own = step(peers["hqlm"], weights)
    for name, peer in peers.items():
        found = step(peer, weights)
        assert abs(found[1] - own[1]) < 1e-6, name
        torch.testing.assert_close(found[2], own[2], atol=1e-6, rtol=0.0)
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            spent[name].append(step(peer, weights)[0])
    n_gates, n_terms = len(model.quantum.circuit.gates), len(model.hamiltonian.terms)
    print(f"{title}: {n_gates} gates, {len(weights)} weights, {n_terms} terms")
    for name, seconds in spent.items():
        print(f"  {name:26s} {1e3 * median(seconds):9.2f} ms {median(seconds) / median(spent['hqlm']):8.1f}x")


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    measure("Ising chain, 10 sites", VQE(IsingChain(10), BrickWallAnsatz(), n_layers=6, spread=math.pi))
    lih = HamiltonianFile(str(DATA / "lih.json"))
    measure("LiH, 10 qubits", VQE(lih, UCCSDAnsatz(2), n_layers=1, initial_bits="1100000000"))


if __name__ == "__main__":
    main()
