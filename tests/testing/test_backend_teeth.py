"""The backend suite fails every kind of wrong backend: one mutant each, and the check that must catch it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from hqlm.backends import QuantumBackend, StatevectorBackend
from hqlm.circuits import PauliString
from hqlm.errors import ComponentError
from hqlm.execution import Noise
from hqlm.testing import BackendContract

ENGINE = StatevectorBackend()


@dataclass(frozen=True)
class _Mutant(QuantumBackend):
    """The native engine, called with arguments that a subclass has spoilt."""

    channels: ClassVar[frozenset[str]] = ENGINE.channels
    gradients: ClassVar[frozenset[str]] = ENGINE.gradients
    initial_states: ClassVar[bool] = True

    def spoil(self, circuit, angles, states, noise):
        return circuit, angles, states, noise

    def values(self, circuit, angles, states, noise):
        return ENGINE.values(*self.spoil(circuit, angles, states, noise))

    def bits(self, circuit, angles, states, noise, shots, seed):
        return ENGINE.bits(*self.spoil(circuit, angles, states, noise), shots, seed)


@dataclass(frozen=True)
class _Sound(_Mutant):
    """Nothing spoilt."""


class _Mirrored(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        last = circuit.n_qubits - 1
        gates = tuple(replace(gate, wires=tuple(last - wire for wire in gate.wires)) for gate in circuit.gates)
        return replace(circuit, gates=gates), angles, states, noise


class _NegativeAngles(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        return circuit, -angles, states, noise


class _WrongY(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        turned = tuple(PauliString(o.letters.replace("Y", "X")) for o in circuit.observables)
        return replace(circuit, observables=turned), angles, states, noise


class _FirstRowOnly(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        return circuit, angles[:1].expand_as(angles), states, noise


class _ForgetsStates(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        return circuit, angles, None, noise


class _Noiseless(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        return circuit, angles, states, Noise()


class _HalfNoise(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        return circuit, angles, states, replace(noise, one_qubit=0.75 * noise.one_qubit)


class _NoiseEverywhere(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        gates = tuple(replace(gate, noisy=True) for gate in circuit.gates)
        return replace(circuit, gates=gates), angles, states, noise


class _Cancelling(_Mutant):
    def spoil(self, circuit, angles, states, noise):
        gates = []
        for gate in circuit.gates:
            if gate.angle is None and gates and gates[-1] == gate.inverse():
                gates.pop()
            else:
                gates.append(gate)
        return replace(circuit, gates=tuple(gates)), angles, states, noise


class _Detached(_Mutant):
    def values(self, circuit, angles, states, noise):
        return super().values(circuit, angles, states, noise).detach() + 0.0 * angles.sum()


class _OneSeed(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        return super().bits(circuit, angles, states, noise, shots, 7)


class _GlobalSeed(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        return super().bits(circuit, angles, states, noise, shots, int(torch.randint(2**31, ())))


class _FewShots(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        few = super().bits(circuit, angles, states, noise, shots // 4, seed)
        return few.repeat(1, 4, 1)


class _Marginal(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        bits = super().bits(circuit, angles, states, noise, shots, seed)
        return torch.stack([bits[..., wire].roll(wire, 1) for wire in range(circuit.n_qubits)], dim=-1)


class _WideBits(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        return super().bits(circuit, angles, states, noise, shots, seed).to(torch.int64)


class _SameRows(_Mutant):
    def bits(self, circuit, angles, states, noise, shots, seed):
        return super().bits(circuit, angles[:1], None, noise, shots, seed).repeat(len(angles), 1, 1)


class _FirstConstants(_Mutant):
    """Keeps the first of all circuits that differ in constant angles only."""

    known: ClassVar[dict] = {}

    def spoil(self, circuit, angles, states, noise):
        like = replace(circuit, gates=tuple(replace(gate, angle=0.0 * gate.angle) for gate in circuit.gates))
        first = self.known.setdefault(like, angles[:1])
        return circuit, first.expand_as(angles), states, noise


class _Unhashable(_Mutant):
    """Cannot be the key of what a layer or a cache keeps."""

    __hash__ = None


CAUGHT = {
    _Mirrored: "qubit_0_is_the_first_letter_of_an_observable",
    _NegativeAngles: "rx_rotates_z_to_minus_y",
    _WrongY: "a_bell_pair_is_correlated_in_every_basis",
    _FirstRowOnly: "a_batch_equals_its_rows_one_by_one",
    _ForgetsStates: "qubit_0_is_the_most_significant_bit_of_a_state",
    _Noiseless: "all_declared_channels_act_together",
    _HalfNoise: "a_depolarized_qubit_shrinks_by_four_thirds_of_the_probability",
    _NoiseEverywhere: "gates_marked_free_of_noise_are",
    _Cancelling: "gates_that_undo_each_other_keep_their_noise",
    _OneSeed: "equal_seeds_give_equal_samples_and_others_do_not",
    _GlobalSeed: "no_global_generator_is_read_or_moved",
    _Marginal: "samples_are_joint",
    _WideBits: "samples_are_bits_of_every_qubit_in_order",
    _SameRows: "rows_of_one_call_are_independent",
    _FirstConstants: "circuits_that_differ_in_a_constant_are_told_apart",
    _Unhashable: "a_backend_is_a_recipe",
}
WITH_ARGUMENT = {
    _Detached: ("exact_gradients_equal_central_differences", "adjoint"),
    _FewShots: ("estimates_spread_as_one_over_the_root_of_the_shots", 256),
}
CASES = [(mutant, (check,)) for mutant, check in CAUGHT.items()] + list(WITH_ARGUMENT.items())


@pytest.mark.parametrize(("mutant", "check"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_a_wrong_backend_is_caught_and_the_sound_one_passes(mutant, check):
    name, *argument = check
    run = getattr(BackendContract(), f"test_{name}")
    run(_Sound(), *argument)
    with pytest.raises((AssertionError, pytest.fail.Exception, ComponentError)):
        run(mutant(), *argument)
