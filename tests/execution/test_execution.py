"""Execution and noise refuse what cannot be, in the words of a user's YAML."""

import math
import pickle

import pytest

from hqlm.errors import ConfigError
from hqlm.execution import PRESETS, Execution, Noise


@pytest.mark.parametrize("name", ["one_qubit", "two_qubit", "amplitude_damping", "phase_damping", "readout"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_probability_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=rf"noise\.{name} .* between 0 and 1"):
        Noise(**{name: value})
    assert getattr(Noise(**{name: 1.0}), name) == 1.0


def test_gate_channels_are_the_fields_above_zero_but_readout():
    assert Noise().gate_channels == frozenset()
    assert Noise(readout=0.1).gate_channels == frozenset()
    assert Noise(two_qubit=0.1, phase_damping=0.2, readout=0.1).gate_channels == {"two_qubit", "phase_damping"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shots": 0}, r"execution\.shots"),
        ({"shots": -5}, r"execution\.shots"),
        ({"seed": -1}, r"execution\.seed"),
        ({"spsa_step": 0.0}, "spsa_step"),
        ({"spsa_step": math.nan}, "spsa_step"),
        ({"spsa_step": math.inf}, "spsa_step"),
        ({"spsa_samples": 0}, "spsa_samples"),
        ({"noise": "ionq_fort"}, "Did you mean 'ionq_forte'"),
        ({"gradient": "adjiont"}, "Did you mean 'adjoint'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Execution(**settings)


def test_the_defaults_are_exact_noise_free_and_automatic():
    execution = Execution()
    assert (execution.shots, execution.noise_model, execution.seed, execution.gradient) == (None, Noise(), None, "auto")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_looked_up_by_name(name):
    assert Execution(noise=name).noise_model is PRESETS[name]
    assert PRESETS[name].gate_channels


def test_noise_given_as_itself_is_the_noise_model():
    noise = Noise(two_qubit=0.1)
    assert Execution(noise=noise).noise_model is noise


def test_executions_are_values():
    one, other = Execution(shots=10, noise=Noise(readout=0.1)), Execution(shots=10, noise=Noise(readout=0.1))
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("options", [{"shots": 10}, {"noise": "ionq_forte"}, {"gradient": "spsa"}])
def test_what_is_drawn_is_random(options):
    assert Execution(**options).is_random
    assert not Execution(noise=Noise(readout=0.1), gradient="parameter_shift").is_random
