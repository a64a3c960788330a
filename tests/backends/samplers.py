"""Samplers that users might bring to `CirqSamplerBackend`, named by dotted paths."""

import pytest

cirq = pytest.importorskip("cirq")


class _OnAGrid(cirq.Sampler):
    """Places line qubits on a grid, as a processor needs, and counts what it is asked for."""

    def __init__(self):
        self.simulator, self.sweeps = cirq.Simulator(), 0

    def run_sweep(self, program, params, repetitions=1):
        self.sweeps += 1
        placed = program.transform_qubits(lambda qubit: cirq.GridQubit(3, 2 + qubit.x))
        return self.simulator.run_sweep(placed, params, repetitions)


class _LosesShots(cirq.Sampler):
    """Returns three shots less than asked, and one less still from row to row."""

    def run_sweep(self, program, params, repetitions=1):
        rows = range(len(list(cirq.to_resolvers(params))))
        found = [cirq.Simulator().run(cirq.Circuit(cirq.measure(cirq.LineQubit(0), key="bits")), None, repetitions)]
        bits = found[0].measurements["bits"]
        return [cirq.ResultDict(measurements={"bits": bits[3 + row :]}) for row in rows]


class _TwoQubits(cirq.Device):
    """A device of two qubits without a SWAP."""

    def validate_operation(self, operation):
        if any(qubit.x > 1 for qubit in operation.qubits):
            raise ValueError(f"only 2 qubits, not {operation.qubits}")
        if operation.gate == cirq.SWAP:
            raise ValueError("no gate SWAP")


def on_a_grid():
    return _OnAGrid()


def loses_shots():
    return _LosesShots()


def two_qubits():
    return cirq.ZerosSampler(_TwoQubits())


def number():
    return 3


def wants_a_name(name):
    return name


def unreachable():
    raise ConnectionError("no network")
