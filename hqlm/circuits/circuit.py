"""A circuit as a frozen value: gates that name their parameters, and the observables measured at the end.

It holds no tensor and depends on no SDK, so it can be hashed, stored, drawn and translated once per backend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from hqlm.circuits import drawing, openqasm, picture
from hqlm.circuits.gates import Gate, Input, Weight, whole_number
from hqlm.circuits.sizes import check_gates, check_qubits
from hqlm.errors import CircuitError
from hqlm.plain import PlainFields

AngleT = TypeVar("AngleT")


@dataclass(frozen=True)
class PauliString(PlainFields):
    """An observable, one letter of `IXYZ` per qubit, qubit 0 first: `PauliString("ZIIZ")` is Z on qubits 0 and 3."""

    letters: str

    def __post_init__(self) -> None:
        if not self.letters or set(self.letters) - set("IXYZ"):
            raise CircuitError(f"a Pauli string must consist of the letters I, X, Y and Z, given '{self.letters}'")

    @property
    def support(self) -> tuple[int, ...]:
        """Qubits whose letter is not I."""
        return tuple(wire for wire, letter in enumerate(self.letters) if letter != "I")

    @classmethod
    def z(cls, wire: int, n_qubits: int) -> PauliString:
        """Return Z on one qubit of `n_qubits`."""
        check_qubits(n_qubits)
        return cls("I" * wire + "Z" + "I" * (n_qubits - wire - 1))


@dataclass(frozen=True)
class Circuit:
    """Gates on `n_qubits` qubits, then the expectation value of each observable.

    Qubit 0 is the leftmost axis of a state and the most significant bit of a basis index.

    Args:
        n_qubits: number of qubits, at least 1.
        gates: gates in the order they act.
        observables: Pauli strings of `n_qubits` letters.

    Raises:
        CircuitError: if a gate or an observable does not fit the qubits.
    """

    n_qubits: int
    gates: tuple[Gate, ...]
    observables: tuple[PauliString, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_qubits", whole_number("n_qubits", self.n_qubits))
        object.__setattr__(self, "gates", _share_equal(tuple(self.gates)))
        object.__setattr__(self, "observables", _share_equal(tuple(self.observables)))
        if self.n_qubits < 1:
            raise CircuitError(f"a circuit needs at least one qubit, given n_qubits={self.n_qubits}")
        check_qubits(self.n_qubits)
        check_gates(len(self.gates), "the number of layers or blocks")
        for gate in self.gates:
            if max(gate.wires) >= self.n_qubits:
                raise CircuitError(f"gate {gate.name} on wires {gate.wires} does not fit {self.n_qubits} qubits")
        for observable in self.observables:
            if len(observable.letters) != self.n_qubits:
                raise CircuitError(
                    f"observable '{observable.letters}' needs one letter for each of {self.n_qubits} qubits"
                )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # circuits are cache keys in every backend, and hashing thousands of gates is slow
        return hash((self.n_qubits, self.gates, self.observables))

    def __reduce__(self) -> tuple[Any, ...]:  # recreate it in another process, where hashes of strings differ
        return type(self), (self.n_qubits, self.gates, self.observables)

    @cached_property
    def n_weights(self) -> int:
        """Number of trainable parameters: one more than the largest index used."""
        return 1 + max((gate.angle.index for gate in self.gates if isinstance(gate.angle, Weight)), default=-1)

    @cached_property
    def n_inputs(self) -> int:
        """Number of features a row must have: one more than the largest index used."""
        return 1 + max((gate.angle.index for gate in self.gates if isinstance(gate.angle, Input)), default=-1)

    @cached_property
    def rotations(self) -> tuple[Gate, ...]:
        """Gates with an angle, in order: one column of a backend's `angles` each."""
        return tuple(gate for gate in self.gates if gate.angle is not None)

    def bound(self, angles: Iterable[AngleT]) -> Iterator[tuple[Gate, AngleT | None]]:
        """Yield each gate with its angle: the next of `angles` for those in `rotations`, None for the others.

        Angles may be anything: numbers of one row, columns of a batch, parameters of an SDK.
        """
        column = iter(angles)
        for gate in self.gates:
            yield gate, None if gate.angle is None else next(column)

    @cached_property
    def is_real(self) -> bool:
        """Whether every gate is real, so that a real state stays real."""
        return all(gate.kind.real for gate in self.gates)

    @cached_property
    def gate_names(self) -> frozenset[str]:
        """Names of the gates in the circuit."""
        return frozenset(gate.name for gate in self.gates)

    @cached_property
    def depth(self) -> int:
        """Number of layers when every gate starts as soon as its qubits are free."""
        layers = [0] * self.n_qubits
        for gate in self.gates:
            layer = 1 + max(layers[wire] for wire in gate.wires)
            for wire in gate.wires:
                layers[wire] = layer
        return max(layers)

    def counts(self) -> dict[str, int]:
        """Return the number of gates by name, the most frequent first."""
        return dict(Counter(gate.name for gate in self.gates).most_common())

    def inverse(self) -> Circuit:
        """Return the inverse circuit, with the same observables."""
        return replace(self, gates=tuple(gate.inverse() for gate in reversed(self.gates)))

    def then(self, other: Circuit) -> Circuit:
        """Return this circuit's gates followed by `other`'s gates and observables; equal indices share parameters."""
        if other.n_qubits != self.n_qubits:
            raise CircuitError(f"cannot join circuits of {self.n_qubits} and {other.n_qubits} qubits")
        return replace(other, gates=self.gates + other.gates)

    def shift_inputs(self, k: int) -> Circuit:
        """Return the circuit with every input index raised by `k`."""
        return replace(self, gates=tuple(_shift_weight(gate, k) for gate in self.gates))

    def draw(self, width: int = 100) -> str:
        """Return a text drawing, one line per qubit, wrapped at `width` characters."""
        return drawing.draw(self.n_qubits, self.gates, width)

    def _repr_svg_(self) -> str:
        """Return the drawing for notebooks."""
        return self.to_svg()

    def to_svg(self, width: float = 960.0) -> str:
        """Return an SVG drawing, an `<svg>` element wrapped at `width` pixels.

        Boxes that take features are shaded; at the end are the letters of the observables that read each qubit.
        """
        read = (sorted({each.letters[wire] for each in self.observables} - {"I"}) for wire in range(self.n_qubits))
        return picture.svg(self.n_qubits, self.gates, ["".join(letters) for letters in read], width)

    def to_openqasm(self) -> str:
        """Return an OpenQASM 3 program whose parameters are `input` declarations, in radians."""
        return openqasm.program(self.n_qubits, self.gates, self.n_weights, self.n_inputs)


def _shift_weight(gate: Gate, k: int) -> Gate:
    if not isinstance(gate.angle, Input):
        return gate
    return replace(gate, angle=Input(gate.angle.index + k, gate.angle.scale))


@lru_cache(maxsize=256)
def _share_equal(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the first of equal tuples: backend caches compare circuits by `==`, then only by identity."""
    return parts
