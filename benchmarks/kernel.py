"""A fidelity kernel of 500 vectors on 10 qubits beside those of Qiskit Machine Learning.

    python benchmarks/kernel.py

needs qiskit-machine-learning. The circuit is a ZZFeatureMap with neighbouring pairs; values are compared first.
FidelityQuantumKernel runs a circuit a pair, so it is timed on a few vectors and scaled by the number of pairs;
FidelityStatevectorKernel keeps a state a vector, as hqlm does.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
from qiskit.circuit.library import zz_feature_map
from qiskit_machine_learning.kernels import FidelityQuantumKernel, FidelityStatevectorKernel

from hqlm.algorithms import QuantumKernel, ZZFeatureMap

QUBITS, ROWS, FEW, ROUNDS = 10, 500, 8, 3


def seconds(kernel, x) -> float:
    """Processor time of one Gram matrix."""
    start = time.process_time()
    kernel(x)
    return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, size=(ROWS, QUBITS))
    circuit = zz_feature_map(QUBITS, reps=2, entanglement="linear")
    pairwise, statevector = FidelityQuantumKernel(feature_map=circuit), FidelityStatevectorKernel(feature_map=circuit)
    ours = QuantumKernel(ZZFeatureMap(n_layers=2, pairs="neighbours"))
    np.testing.assert_allclose(ours(x[:FEW]), statevector.evaluate(x[:FEW]), atol=1e-6)
    found = {"hqlm": [], "FidelityStatevectorKernel": [], "FidelityQuantumKernel, scaled": []}
    for _ in range(ROUNDS):
        found["hqlm"].append(seconds(QuantumKernel(ours.feature_map), x))
        found["FidelityStatevectorKernel"].append(seconds(statevector.evaluate, x))
        statevector.clear_cache()
        pairs = ROWS * (ROWS - 1) / (FEW * (FEW - 1))
        found["FidelityQuantumKernel, scaled"].append(pairs * seconds(pairwise.evaluate, x[:FEW]))
    own = median(found["hqlm"])
    for name, spent in found.items():
        print(f"{name:30s} {median(spent):9.2f} s  {median(spent) / own:9.1f}x")


if __name__ == "__main__":
    main()
