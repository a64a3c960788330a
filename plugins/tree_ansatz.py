"""A plugin in one file: an ansatz shaped like a tree, so that one measured qubit has heard of all others.

    hqlm fit --config quickstart --plugins plugins.tree_ansatz --model.head.ansatz TreeAnsatz

or, in a configuration file, `plugins: [plugins.tree_ansatz]`. Nothing is registered: to derive from a slot in a
module that gets imported is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from hqlm.circuits import Ansatz, Gate, Weight


@dataclass(frozen=True)
class TreeAnsatz(Ansatz):
    """Pairs at distance 1, 2, 4, ...: RY on both, then the right one controls the left one; at last RY on qubit 0.

    A layer has `2 (Q - 1) + 1` weights. Source: Grant et al. (2018), Hierarchical quantum classifiers,
    arXiv:1804.03680.

    Args:
        entangler: two-qubit gate without an angle.
    """

    entangler: str = "CNOT"

    def gates(self, n_qubits: int, n_layers: int) -> tuple[Gate, ...]:
        """The gates of `n_layers` trees."""
        gates: list[Gate] = []
        rotations = 0
        for _ in range(n_layers):
            stride = 1
            while stride < n_qubits:
                for left in range(0, n_qubits - stride, 2 * stride):
                    right = left + stride
                    gates += [Gate("RY", (wire,), Weight(rotations + k)) for k, wire in enumerate((left, right))]
                    gates.append(Gate(self.entangler, (right, left)))
                    rotations += 2
                stride *= 2
            gates.append(Gate("RY", (0,), Weight(rotations)))
            rotations += 1
        return tuple(gates)
