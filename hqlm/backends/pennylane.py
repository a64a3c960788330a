"""PennyLane's devices as a backend.

Source: Bergholm et al. (2018), PennyLane: automatic differentiation of hybrid quantum-classical computations,
arXiv:1811.04968.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from hqlm.backends.base import QuantumBackend
from hqlm.backends.pennylane_tapes import is_trained, operators, rows
from hqlm.backends.reference import density_expectations
from hqlm.circuits import Circuit
from hqlm.errors import ConfigError, MissingDependency, UnsupportedExecution
from hqlm.execution import Execution, Noise
from hqlm.notices import say_once
from hqlm.registry import check_installed, suggestion

# simulators that can start from any state, with their method of differentiating exact values
_SIMULATORS: Final = {
    "default.qubit": "backprop",
    "default.mixed": "backprop",
    "lightning.qubit": "adjoint",
    "lightning.kokkos": "adjoint",
    "lightning.gpu": "adjoint",
}
_SET_ELSEWHERE: Final = {
    "wires": "the circuit",
    "shots": "execution.shots",
    "seed": "execution.seed",
    "readout_prob": "execution.noise.readout",
}

Option = str | int | float | bool


@dataclass(frozen=True)
class PennyLaneBackend(QuantumBackend):
    """Any PennyLane device: its simulators, exactly and with shots, and plugin devices as far as they support it.

    `default.qubit` and `default.mixed` simulate a batch at once and are differentiated by backpropagation; the
    `lightning` simulators run row by row and use the adjoint method; other devices only have measured gradients and
    start with all qubits in 0.

    Args:
        device: name of a PennyLane device; `auto` is `default.qubit` without noise and `default.mixed` with it.
        device_options: pairs of name and value that are passed to the device, such as `[[method, mps]]`.
    """

    device: str = "auto"
    device_options: tuple[tuple[str, Option], ...] = ()

    requires: ClassVar[tuple[str, ...]] = ("pennylane",)
    install: ClassVar[str] = "hqlm[pennylane]"

    def __post_init__(self) -> None:
        for name in dict(self.device_options):
            if name in _SET_ELSEWHERE:
                raise ConfigError(f"backend.device_options has {name}, but {_SET_ELSEWHERE[name]} sets it")

    @property
    def channels(self) -> frozenset[str]:  # type: ignore[override]
        """All channels if density matrices are simulated."""
        every = {"one_qubit", "two_qubit", "amplitude_damping", "phase_damping"}
        return frozenset(every if self.device in ("auto", "default.mixed") else ())

    @property
    def gradients(self) -> frozenset[str]:  # type: ignore[override]
        """The measured gradients, and `adjoint` on simulators."""
        return QuantumBackend.gradients | ({"adjoint"} if self.initial_states else set())

    @property
    def initial_states(self) -> bool:  # type: ignore[override]
        """Whether the device is a simulator that can start from any state."""
        return self.device == "auto" or self.device in _SIMULATORS

    @property
    def seeded(self) -> bool:  # type: ignore[override]
        """Whether the device takes a seed."""
        return self.initial_states or _takes_seed(self.device)

    def check(self, circuit: Circuit, execution: Execution, states: Tensor | None = None) -> None:
        """Also check that the device exists, has enough wires and supports the noise.

        Raises:
            ConfigError: for a device that is not installed.
            UnsupportedExecution: with the setting and an alternative.
        """
        check_installed(type(self))
        name, noise = self._name(execution.noise_model), execution.noise_model
        _check_name(name)
        if noise.gate_channels - self.channels:
            raise UnsupportedExecution(
                f"PennyLaneBackend has no noise {', '.join(sorted(noise.gate_channels))} on device={name}. "
                "Set backend.device to default.mixed or auto, or use another backend"
            )
        super().check(circuit, execution, states)
        _device(name, circuit.n_qubits, self.device_options)
        if self.device == "auto":
            say_once(f"PennyLaneBackend: device=auto is {name} {'under' if noise.gate_channels else 'without'} noise")

    def values(self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise) -> Tensor:
        """Return exact expectation values `(rows, n_observables)`, differentiable by torch on simulators."""
        device = _device(self._name(noise), circuit.n_qubits, self.device_options)
        angles = angles.cpu().double()
        states = None if states is None else states.cpu().to(torch.complex128)
        if device.name == "default.mixed":
            return _density_values(device, circuit, noise, angles, states)
        if _SIMULATORS.get(device.name) == "adjoint" and states is not None and states.requires_grad:
            values = _values(device, circuit, noise, angles, states.detach())
            return values + _slopes_of_states(device, circuit, angles.detach(), states)
        return _values(device, circuit, noise, angles, states)

    def bits(
        self, circuit: Circuit, angles: Tensor, states: Tensor | None, noise: Noise, shots: int, seed: int
    ) -> Tensor:
        """Return samples `(rows, shots, n_qubits)`, uint8; arguments as in the base class."""
        import pennylane as qml

        device = _device(self._name(noise), circuit.n_qubits, self.device_options, seed)
        angles = angles.detach().cpu().double()
        if states is not None:  # a sampler expects probabilities that sum to 1 in double precision
            states = torch.nn.functional.normalize(states.detach().cpu().to(torch.complex128), dim=1)
        found = _run(device, circuit, noise, angles, states, [qml.sample(wires=range(circuit.n_qubits))], shots)
        return torch.cat(found).reshape(len(angles), -1, circuit.n_qubits).to(torch.uint8)

    def _name(self, noise: Noise) -> str:
        if self.device != "auto":
            return self.device
        return "default.mixed" if noise.gate_channels else "default.qubit"


def _values(device: Any, circuit: Circuit, noise: Noise, angles: Tensor, states: Tensor | None) -> Tensor:
    import pennylane as qml

    measured = [qml.expval(qml.pauli.string_to_pauli_word(each.letters)) for each in circuit.observables]
    found = _run(device, circuit, noise, angles, states, measured)
    return torch.cat([value.reshape(-1, len(measured)) for value in found])


def _density_values(device: Any, circuit: Circuit, noise: Noise, angles: Tensor, states: Tensor | None) -> Tensor:
    """Compute values from the density matrices: PennyLane's have no gradient (NaN) where a probability is 0."""
    import pennylane as qml

    found = _run(device, circuit, noise, angles, states, [qml.density_matrix(wires=range(circuit.n_qubits))])
    rho = torch.cat([each.reshape(-1, 2**circuit.n_qubits, 2**circuit.n_qubits) for each in found])
    return density_expectations(circuit.observables, rho)


def _slopes_of_states(device: Any, circuit: Circuit, angles: Tensor, states: Tensor) -> Tensor:
    """Return zeros `(rows, n_observables)` whose gradient by the states s is that of <s| U^+ P U |s>: 2 U^+ P U s.

    PennyLane's adjoint method has no such gradient. P is unitary, so the device prepares U^+ P U s itself.
    """
    import pennylane as qml

    tapes = []
    for row, state in rows(False, angles, states.detach()):
        there = operators(circuit, Noise(), row, state)
        back = [qml.adjoint(operator) for operator in reversed(there[1:])]
        for observable in circuit.observables:
            paulis = [getattr(qml, letter)(wire) for wire, letter in enumerate(observable.letters)]
            tapes.append(qml.tape.QuantumScript([*there, *paulis, *back], [qml.state()]))
    moved = torch.stack(_execute(tapes, device)).reshape(len(states), len(circuit.observables), -1)
    overlaps = 2.0 * (states.conj()[:, None] * moved).sum(-1).real
    return overlaps - overlaps.detach()


def _run(
    device: Any,
    circuit: Circuit,
    noise: Noise,
    angles: Tensor,
    states: Tensor | None,
    measured: list[Any],
    shots: int | None = None,
) -> list[Tensor]:
    """Return the measurements of all rows, at once or row by row; several measurements form the last dimension."""
    import pennylane as qml

    method = _SIMULATORS.get(device.name)
    tapes = [
        qml.tape.QuantumScript(operators(circuit, noise, *row), measured, shots)
        for row in rows(method == "backprop", angles, states)
    ]
    return _execute(tapes, device, method if is_trained(angles, states) else None)


def _execute(tapes: list[Any], device: Any, method: str | None = None) -> list[Tensor]:
    """Return the result of each tape, with several measurements in its last dimension.

    Raises:
        UnsupportedExecution: if the device rejects the circuit.
    """
    import pennylane as qml
    from pennylane import exceptions

    refusals = (
        exceptions.DeviceError,
        exceptions.WireError,
        exceptions.DecompositionUndefinedError,
        exceptions.QuantumFunctionError,
    )
    try:
        found = qml.execute(tapes, device, diff_method=method, interface="torch" if method else "auto")
    except refusals as error:
        raise UnsupportedExecution(
            f"PennyLane's {device.name} rejects the circuit: {error}. Choose another backend.device"
        ) from error
    return [
        torch.stack([torch.as_tensor(value) for value in result], dim=-1)
        if isinstance(result, tuple | list)
        else torch.as_tensor(result)
        for result in found
    ]


def _check_name(name: str) -> None:
    import pennylane as qml

    if name not in qml.plugin_devices:
        known = ["auto", *qml.plugin_devices]
        raise ConfigError(f"backend.device: PennyLane has no device '{name}' installed. {suggestion(name, known)}")


@lru_cache(maxsize=16)
def _takes_seed(name: str) -> bool:
    import pennylane as qml

    _check_name(name)
    return "seed" in inspect.signature(qml.plugin_devices[name].load()).parameters


def _device(name: str, n_qubits: int, options: tuple[tuple[str, Option], ...], seed: int | None = None) -> Any:
    """Return a device with the seed; without a seed, or if the device takes none, the cached device.

    Raises:
        UnsupportedExecution: if it cannot be created.
    """
    if seed is None or not _takes_seed(name):
        return _cached_device(name, n_qubits, options)
    return _make(name, n_qubits, {**dict(options), "seed": seed})


@lru_cache(maxsize=16)
def _cached_device(name: str, n_qubits: int, options: tuple[tuple[str, Option], ...]) -> Any:
    # without its own seed a simulator would draw one from NumPy's global generator
    return _make(name, n_qubits, {**dict(options), **({"seed": 0} if _takes_seed(name) else {})})


def _make(name: str, n_qubits: int, options: dict[str, Option]) -> Any:
    import pennylane as qml

    try:
        return qml.device(name, wires=n_qubits, **options)
    except ImportError as error:
        raise MissingDependency(f"PennyLane's {name} needs more packages: {error}") from error
    except Exception as error:  # each plugin raises its own
        raise UnsupportedExecution(
            f"PennyLane's {name} cannot be created for {n_qubits} qubits: {error}. Use fewer qubits, other "
            "backend.device_options or another backend.device"
        ) from error
