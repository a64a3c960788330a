"""A Hamiltonian as a sum of Pauli strings: read, checked, evaluated, and diagonalised if it is small enough."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from reprlib import repr as short
from typing import Any, Final

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from hqlm.circuits import PauliString
from hqlm.errors import DataError, DocumentError
from hqlm.files import parse_json, parse_yaml, write_text
from hqlm.plain import PlainFields

_LETTERS: Final = 2**26  # largest total number of letters
LARGEST: Final = 1e100  # largest coefficient, so that squares of energies and their inverses are finite
_ALLOWED: Final = "Coefficients must be between -1e100 and 1e100"
_ENTRIES: Final = 2**23  # largest sparse matrix, 128 MiB; larger ones are not diagonalised
_DENSE: Final = 8  # up to this many qubits, all eigenvalues are computed at once
_LARGEST_DENSE: Final = 12  # the same if the lowest level has many states
_MANY: Final = 64  # largest number of states of the lowest level that Lanczos computes
_MANY_DIAGONAL: Final = 2**25  # largest number of entries in the states of a diagonal level, 256 MiB
_SAME: Final = 1e-8  # energies closer than this, relative to the largest, belong to one level
_ROUNDING: Final = 1e-9  # relative to the largest coefficient


@dataclass(frozen=True)
class Hamiltonian(PlainFields):
    """`H = sum_k c_k P_k` with real c_k, which makes it Hermitian; one letter of `IXYZ` per qubit, qubit 0 first.

    Args:
        terms: (letters, coefficient), for example `(("ZZI", 0.5), ("IXI", -1.0))`; equal letters are added up.

    Raises:
        DataError: without terms, for letters of unequal length or other than `IXYZ`, and for a coefficient that is not
            a real number up to 1e100; also if all terms together have too many letters, or no coefficient is at least
            1e-100.
    """

    terms: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        sums: dict[str, float] = {}
        for letters, coefficient in self.terms:
            sums[str(letters)] = sums.get(str(letters), 0.0) + _real(letters, coefficient)
        if not sums:
            raise DataError("a Hamiltonian needs at least one term, such as {ZZ: 1.0}; given none")
        first = next(iter(sums))
        for letters in sums:
            if not letters or set(letters) - set("IXYZ"):
                raise DataError(
                    f"a term must consist of the letters I, X, Y and Z, one per qubit; given {short(letters)}"
                )
            if len(letters) != len(first):
                raise DataError(
                    f"terms must have one letter per qubit: {short(first)} has {len(first)}, {short(letters)} has "
                    f"{len(letters)}"
                )
        check_size(len(first), len(sums))
        object.__setattr__(self, "terms", tuple(sums.items()))
        if 0.0 < self.unit < 1.0 / LARGEST:
            raise DataError(
                f"the largest coefficient is {self.unit:g}, too small to compute with. Choose another unit of energy"
            )

    @classmethod
    def of(cls, terms: Mapping[str, Any]) -> Hamiltonian:
        """Create a Hamiltonian from a mapping such as `{"ZZI": 0.5, "IXI": -1.0}`."""
        return cls(tuple(terms.items()))

    @classmethod
    def read(cls, path: str | Path) -> Hamiltonian:
        """Read a JSON or YAML file: a mapping of terms, or one with it under `terms` and a note under `about`.

        Raises:
            DataError: if the file is missing, unreadable or not such a mapping, has a key twice, or has a key besides
                `terms` and `about`.
        """
        source = f"the Hamiltonian {path}"
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as err:
            raise DataError(f"cannot read {source}: {err}") from err
        try:
            if Path(path).suffix == ".json":
                found = parse_json(text, source, object_pairs_hook=_once)
            else:
                found = parse_yaml(text, source, partial(yaml.load, Loader=_OnceLoader))
        except DocumentError as err:
            raise DataError(str(err)) from err
        terms = found.get("terms", found) if isinstance(found, dict) else None
        if not isinstance(terms, dict):
            raise DataError(f"{path} has no terms: it must be a mapping such as {{ZZI: 0.5, IXI: -1.0}}")
        unknown = sorted(map(str, set(found) - {"terms", "about"})) if terms is not found else []
        if unknown:
            raise DataError(f"{path} has the unknown key {short(unknown[0])}. Known: terms, about")
        return cls.of(terms)

    @classmethod
    def ising_chain(
        cls, n_qubits: int, coupling: float = 1.0, field: float = 1.0, periodic: bool = False
    ) -> Hamiltonian:
        """Return `-coupling sum_q Z_q Z_(q+1) - field sum_q X_q`, the transverse-field Ising chain.

        Args:
            n_qubits: number of sites, 2 or more; 3 or more in a ring.
            coupling: J.
            field: h; J = h is the critical point.
            periodic: close the chain to a ring, in which the last site is coupled to the first.

        Raises:
            DataError: for too few or too many sites.
        """
        if n_qubits < 2 + periodic:
            raise DataError(f"an Ising chain must have {2 + periodic} or more sites, given n_qubits={n_qubits}")
        check_size(n_qubits, 2 * n_qubits)
        pairs = [(site, (site + 1) % n_qubits) for site in range(n_qubits if periodic else n_qubits - 1)]
        bonds = [(_letters(n_qubits, "Z", pair), -coupling) for pair in pairs]
        return cls((*bonds, *((_letters(n_qubits, "X", (site,)), -field) for site in range(n_qubits))))

    @property
    def n_qubits(self) -> int:
        """Number of qubits it acts on."""
        return len(self.terms[0][0])

    @cached_property
    def constant(self) -> float:
        """Coefficient of the identity, which needs no measurement."""
        return dict(self.terms).get("I" * self.n_qubits, 0.0)

    @cached_property
    def unit(self) -> float:
        """Largest absolute coefficient of a term other than the identity; 0 if there is no such term.

        Tolerances are relative to it.
        """
        return max((abs(coefficient) for _, coefficient in self._measured), default=0.0)

    @cached_property
    def observables(self) -> tuple[PauliString, ...]:
        """Pauli strings other than the identity, as observables of a circuit."""
        return tuple(PauliString(letters) for letters, _ in self._measured)

    def expectation(self, values: Tensor) -> Tensor:
        """Return `<H>`, `(...)`, from the values `(..., len(observables))` of its observables."""
        return self.variable_part(values) + self.constant

    def variable_part(self, values: Tensor) -> Tensor:
        """Return `<H> - constant`, in which a large constant costs no precision; arguments as for `expectation`."""
        return values @ values.new_tensor([coefficient for _, coefficient in self._measured])

    @cached_property
    def matrix(self) -> Any:
        """Matrix `(2**n, 2**n)` in scipy.sparse CSR form, real if every term is.

        Raises:
            DataError: if it does not fit in memory.
        """
        from scipy.sparse import csr_array

        if not self.is_small:
            raise DataError(f"the matrix of {len(self.terms)} terms on {self.n_qubits} qubits does not fit in memory")
        columns = np.arange(2**self.n_qubits)
        flips = sorted({_mask(letters, "XY") for letters, _ in self.terms})
        data = np.zeros((len(flips), len(columns)), dtype=complex)  # a row for each set of flipped qubits
        for letters, coefficient in self.terms:
            signs = 1.0 - 2.0 * (np.bitwise_count(columns & _mask(letters, "YZ")) % 2)
            data[flips.index(_mask(letters, "XY"))] += coefficient * 1j ** letters.count("Y") * signs
        entries = np.stack([row[columns ^ flip] for row, flip in zip(data, flips, strict=True)], axis=1)
        places = np.stack([columns ^ flip for flip in flips], axis=1)
        starts = np.arange(len(columns) + 1) * len(flips)
        values = entries.ravel() if self._is_complex else entries.real.ravel()
        return csr_array((values, places.ravel(), starts), shape=(len(columns), len(columns)))

    @property
    def is_small(self) -> bool:
        """Whether its matrix fits in memory, so that its lowest level can be computed."""
        flips = {_mask(letters, "XY") for letters, _ in self.terms}
        return len(flips) << self.n_qubits <= _ENTRIES

    @cached_property
    def ground(self) -> GroundLevel | None:
        """The lowest level by exact diagonalisation (Lanczos beyond 8 qubits); None if that is not feasible.

        That is the case beyond `is_small`, and for a level with many states: more than 64 beyond 12 qubits, or, if H is
        diagonal, more than 2**25 amplitudes in total.
        """
        found = _lowest(self._scaled) if self.is_small else None
        if found is None:
            return None
        energy, states = found
        return GroundLevel(self.constant + self.unit * energy, self.unit * energy, states)

    def is_near(self, other: Hamiltonian) -> bool:
        """Return whether both are equal up to rounding: repeated chemistry calculations differ in the last digits.

        Coefficients may differ by 1e-9 of the largest; constants also by 1e-15 of themselves.
        """
        ours, theirs = dict(self.terms), dict(other.terms)
        constant, unit = max(abs(self.constant), abs(other.constant)), max(self.unit, other.unit)
        allowed = dict.fromkeys(ours | theirs, _ROUNDING * unit)
        allowed["I" * self.n_qubits] = _ROUNDING * unit + 4.0 * np.finfo(float).eps * constant
        return all(abs(ours.get(word, 0.0) - theirs.get(word, 0.0)) <= bound for word, bound in allowed.items())

    def moments(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the energy in normalised states `(rows, 2**n)`, each `(rows,)`."""
        psi = states.detach().cpu().numpy()
        image = (self._scaled.matrix @ psi.T).T
        means = (psi.conj() * image).sum(1).real
        variances = (np.abs(image - means[:, None] * psi) ** 2).sum(1)
        return torch.from_numpy(self.constant + self.unit * means), torch.from_numpy(self.unit**2 * variances)

    def write(self, path: str | Path, about: Mapping[str, Any]) -> None:
        """Write JSON that `read` accepts, with a note about its origin."""
        write_text(Path(path), json.dumps({"about": dict(about), "terms": dict(self.terms)}, indent=1) + "\n")

    @cached_property
    def _scaled(self) -> Hamiltonian:
        """`(H - constant) / unit`: the same states, and energies of order 1 whatever the units of H."""
        terms = tuple((letters, coefficient / self.unit) for letters, coefficient in self._measured if coefficient)
        return Hamiltonian(terms or (("I" * self.n_qubits, 0.0),))

    @cached_property
    def _measured(self) -> tuple[tuple[str, float], ...]:
        return tuple(term for term in self.terms if set(term[0]) != {"I"})

    @property
    def _is_complex(self) -> bool:
        return any(letters.count("Y") % 2 for letters, _ in self.terms)


@dataclass(frozen=True, eq=False)
class GroundLevel:
    """The lowest energy of a Hamiltonian and all its states.

    Args:
        energy: energy in the units of the coefficients.
        variable_part: the energy without the constant of the Hamiltonian, for accurate differences.
        states: `(2**n, degeneracy)`, orthonormal columns.
    """

    energy: float
    variable_part: float
    states: NDArray[Any]

    def fidelity(self, states: Tensor) -> Tensor:
        """Return the weight of normalised states `(rows, 2**n)` in the level, `(rows,)`."""
        overlaps = states.detach().cpu().numpy() @ self.states.conj()
        return torch.from_numpy((np.abs(overlaps) ** 2).sum(1))


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key}' is listed twice")
        found[key] = value
    return found


class _OnceLoader(yaml.SafeLoader):
    """Safe YAML whose mappings must not repeat a key; plain YAML silently keeps the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            _once((str(key.value), None) for key, _ in node.value)
        return super().construct_mapping(node, deep)


def check_size(n_qubits: int, n_terms: int) -> None:
    """Reject a Hamiltonian whose Pauli strings would take too much memory, before they are created.

    Raises:
        DataError: with the allowed size.
    """
    if n_qubits * n_terms > _LETTERS:
        raise DataError(
            f"{n_terms:,} terms of {n_qubits:,} qubits have {n_qubits * n_terms:,} letters, but a Hamiltonian can have "
            f"at most {_LETTERS:,}. Use fewer qubits or fewer terms"
        )


def _lowest(hamiltonian: Hamiltonian) -> tuple[float, NDArray[Any]] | None:
    """Return the lowest energy and its states of a Hamiltonian with coefficients of order 1."""
    matrix = hamiltonian.matrix
    if not any(set(letters) & set("XY") for letters, _ in hamiltonian.terms):  # diagonal ones often have many qubits
        places = np.flatnonzero(_level(matrix.diagonal()))
        if len(places) << hamiltonian.n_qubits > _MANY_DIAGONAL:
            return None
        states = np.zeros((matrix.shape[0], len(places)))
        states[places, np.arange(len(places))] = 1.0
        return float(matrix.diagonal().min()), states
    if hamiltonian.n_qubits > _DENSE:
        found = _by_lanczos(hamiltonian)
        if found is not None or hamiltonian.n_qubits > _LARGEST_DENSE:
            return found
    energies, states = np.linalg.eigh(matrix.toarray())
    return float(energies[0]), states[:, _level(energies)]


def _by_lanczos(hamiltonian: Hamiltonian) -> tuple[float, NDArray[Any]] | None:
    """Return the lowest level; None if it has more than 64 states.

    Lanczos finds one state of each level, and others only by rounding. So each state that is found is shifted upwards,
    until the lowest remaining energy is above their level.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    matrix = hamiltonian.matrix
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    width = 2.0 * sum(abs(coefficient) for _, coefficient in hamiltonian._measured)  # bound of the spectrum's width
    states, energies = np.empty((len(start), 0), matrix.dtype), np.empty(0)

    def lifted(psi: NDArray[Any]) -> NDArray[Any]:
        image: NDArray[Any] = matrix @ psi + width * (states @ (states.conj().T @ psi))
        return image

    while states.shape[1] <= _MANY:
        found, vector = eigsh(LinearOperator(matrix.shape, lifted, dtype=matrix.dtype), k=1, which="SA", v0=start)
        energies = np.append(energies, found)
        if not _level(energies)[-1]:
            return float(energies.min()), states
        states = np.hstack((states, vector))
    return None


def _level(energies: NDArray[Any]) -> NDArray[Any]:
    """Return which of the energies belong to the lowest level."""
    level: NDArray[Any] = energies <= energies.min() + _SAME * max(1.0, abs(energies.min()))
    return level


def _real(letters: object, coefficient: object) -> float:
    name = short(letters).strip("'")
    try:
        value = complex(coefficient)  # type: ignore[call-overload]
    except OverflowError as err:
        raise DataError(f"the coefficient of {name} is an integer with too many digits. {_ALLOWED}") from err
    except (TypeError, ValueError) as err:
        raise DataError(f"the coefficient of {name} must be a real number, given {short(coefficient)}") from err
    if value.imag != 0.0:
        raise DataError(f"the term {name} is not Hermitian: its coefficient is {value}, but must be real")
    if not abs(value.real) <= LARGEST:  # also true of NaN
        size = "too large" if math.isfinite(value.real) else "not finite"
        raise DataError(f"the coefficient of {name} is {size}: {value.real:g}. {_ALLOWED}")
    return float(value.real)


def _letters(n_qubits: int, letter: str, places: Iterable[int]) -> str:
    letters = ["I"] * n_qubits
    for place in places:
        letters[place] = letter
    return "".join(letters)


def _mask(letters: str, those: str) -> int:
    """Return the basis-index bits of the qubits whose letter is in `those`; qubit 0 is the most significant bit."""
    return int("".join("1" if letter in those else "0" for letter in letters), 2)
