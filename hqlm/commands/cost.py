"""`hqlm cost`: what the circuit of an experiment costs on hardware and simulated, before anything is submitted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Final

from hqlm.circuits import Circuit
from hqlm.config.parser import Option, print_help, read_options
from hqlm.config.sources import Sources
from hqlm.cost import DEVICES, SUPERCONDUCTING, TRAPPED_ION, Device, Rows, Simulator, estimate, plot, table, workload
from hqlm.data import TextDataModule
from hqlm.errors import ConfigError
from hqlm.experiment import Experiment
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.quiet import quiet
from hqlm.registry import suggestion

_DESCRIPTION: Final = """What the quantum circuit of an experiment costs; nothing is trained and nothing is submitted.

  hqlm cost --config sst2
  hqlm cost --config sst2 --model.head.execution.shots=1000 --plot cost.svg
  hqlm cost --config sst2 --devices=[trapped_ion] --trapped_ion.watts=5000
  hqlm cost --config sst2 --model.head.feature_encoder.n_qubits=20 --json

Shown are the gates of the second module's circuit (the part that a device runs; the first module is always simulated),
as written and compiled by Qiskit into the native gates of trapped ions, where every pair of qubits is connected, and of
superconducting qubits on a square grid; the circuits of a whole training run, with two more for every rotation
that something trainable feeds (the parameter-shift rule); the time that a device is busy with them; and the energy
beside that of simulating the same circuits, also with more qubits, up to where the device needs less.

Estimates stand on these assumptions, each of which is an option below:
  trapped_ion      gates one after the other, 130 us (one qubit) and 970 us (two); 200 us a shot for readout and reset
                   (Amazon Braket, IonQ Forte); 3 kW, our assumption
  superconducting  gates side by side, 25 and 12 ns, 200 us a shot (arXiv:1910.11333); 15 kW (arXiv:1905.00444)
  simulation       every gate reads and writes 16 bytes for each of 2^n amplitudes at 3.35 TB/s, 1.275 kW (an eighth of
                   a DGX H100); nothing is lost between GPUs; a gradient costs twice the values (arXiv:2009.02823)
  shots            100 where the configuration is exact: the default of IonQ's interface (docs.ionq.com, v0.3)
Queues, calibration, compiling, cooling of the building and the first module are left out. On a trapped-ion device the
energies were measured to meet near 34 qubits (arXiv:2605.02798); a factor of two in any assumption is one qubit.
"""
_SHOTS: Final = 100  # docs.ionq.com/api-reference/v0.3/jobs/create-a-job
_LARGEST: Final = 44  # qubits of the default sweep: some way beyond where the energies meet
_STEP: Final = 5
_MOST: Final = 1000
# what ends an epoch or a run early, or validates at another time, with the values that do not
_WHOLE_EPOCHS: Final[dict[str, tuple[object, ...]]] = {
    "max_steps": (-1,),
    "max_time": (None,),
    "overfit_batches": (0, 0.0),
    "val_check_interval": (None, 1.0),
    "check_val_every_n_epoch": (None, 1),
    "fast_dev_run": (False, 0),
}


_OPTIONS: Final = (
    Option("devices", list[str], list(DEVICES), f"Of {', '.join(DEVICES)}; [] needs no Qiskit."),
    Option(
        "qubits",
        list[int] | None,
        None,
        f"Sizes of the feature encoder to compare; by default its own and every {_STEP}th up to {_LARGEST}.",
    ),
    Option("plot", Path | None, None, "Draw energy and gates against qubits."),
    Option("json", bool, False, "Print JSON instead of tables."),
    Option("trapped_ion", Device, TRAPPED_ION.device, "Times and power."),
    Option("superconducting", Device, SUPERCONDUCTING.device, "Times and power."),
    Option("simulation", Simulator, Simulator(), "What devices stand beside."),
)


@quiet()
def main(args: list[str]) -> int:
    """Estimate, and print tables or JSON."""
    sources = Sources.from_arguments(args)
    if sources.wants_help:
        print_help("cost", _DESCRIPTION, _OPTIONS, sources)
        return 0
    own, sources = sources.split([option.name for option in _OPTIONS])
    options = read_options(_OPTIONS, own)
    for name in options["devices"]:
        if name not in DEVICES:
            raise ConfigError(f"--devices: there is no '{name}'. {suggestion(name, list(DEVICES))}")
    if options["plot"] is not None:
        plot.check(options["plot"])
    experiment = Experiment.from_sources(sources)
    head = _head(experiment)
    rows, n_classes = _rows(experiment)
    circuits = list(_circuits(head, options["qubits"], n_classes))
    shots = head.execution.shots or _SHOTS
    work = workload(circuits[0], rows, head.execution, _trains_inputs(head), shots)
    cost = estimate(circuits, work, {name: options[name] for name in options["devices"]}, options["simulation"])
    if options["json"]:
        assumed = {name: asdict(options[name]) for name in (*options["devices"], "simulation")}
        print(json.dumps(asdict(cost) | {"assumptions": assumed}, indent=2))
    else:
        print(table.text(cost, head.execution.shots is not None))
    if options["plot"] is not None:
        plot.draw(cost, options["plot"])
        print(f"{options['plot']} shows it", file=sys.stderr)
    return 0


def _head(experiment: Experiment) -> QuantumHead:
    model = experiment.model
    head = model.recipe if isinstance(model, TextModel) else None
    if not isinstance(head, QuantumHead) or head.reuploading is None:
        raise ConfigError(
            f"--model={type(model).__name__}: there is no circuit of a second module to cost. Give a TextModel with "
            "model.head=QuantumHead that does not ablate it"
        )
    return head


def _rows(experiment: Experiment) -> tuple[Rows, int]:
    """Return what a training run passes through the circuit, and the number of classes."""
    data, trainer = experiment.data, experiment.config["trainer"]
    if not isinstance(data, TextDataModule):
        raise ConfigError(f"--data={type(data).__name__}: rows are counted for data sets that derive TextDataModule")
    for key, harmless in _WHOLE_EPOCHS.items():
        if trainer[key] not in harmless:
            raise ConfigError(f"trainer.{key}={trainer[key]}: hqlm cost counts whole epochs. Leave it out")
    data.prepare_data()
    data.setup("fit")
    size = data.batch_size
    train = _limited(len(data.texts("train")), size, trainer["limit_train_batches"])
    val = _limited(len(data.texts("val")), size, trainer["limit_val_batches"])
    epochs = trainer["max_epochs"]
    if epochs is None or epochs < 1:
        raise ConfigError(f"trainer.max_epochs={epochs}: hqlm cost counts whole epochs. Give 1 or more")
    sanity = trainer["num_sanity_val_steps"]
    tried = val if sanity == -1 else min(val, size * (2 if sanity is None else sanity))  # Lightning's default is 2
    return Rows(train, val, epochs, tried), len(data.class_names)


def _limited(rows: int, size: int, limit: float | None) -> int:
    """Rows in the batches that Lightning takes: a number of them, or a share."""
    if limit is None:
        return rows
    batches = limit if isinstance(limit, int) else int(-(-rows // size) * limit)
    return min(rows, size * batches)


def _trains_inputs(head: QuantumHead) -> bool:
    """Return whether something trainable stands before the circuit."""
    assert head.reuploading is not None
    features = head.feature_encoder.build(1)  # what is trained does not depend on the size of an embedding
    return head.reuploading.trains_scale or any(each.requires_grad for each in features.parameters())


def _circuits(head: QuantumHead, qubits: list[int] | None, n_classes: int) -> Iterator[Circuit]:
    """Return the circuit as configured, and with other sizes of the feature encoder, ascending."""
    encoder = head.feature_encoder
    own = head.circuit(n_classes)
    assert own is not None
    yield own
    if "n_qubits" not in {each.name for each in fields(encoder)}:
        if qubits is not None:
            raise ConfigError(f"--qubits={qubits}: {type(encoder).__name__} has no option n_qubits to vary")
        return
    size: int = encoder.n_qubits  # type: ignore[attr-defined]
    wanted = range(size + _STEP, _LARGEST + 1, _STEP) if qubits is None else sorted(set(qubits) - {size})
    for number in wanted:
        if number <= size:
            raise ConfigError(f"--qubits={qubits}: give sizes above that of the configuration, {size}")
        if number > _MOST:
            raise ConfigError(f"--qubits={qubits}: give {_MOST:,} or less, beyond which no number holds the energy")
        larger = replace(encoder, n_qubits=number)  # type: ignore[call-arg]
        circuit = replace(head, feature_encoder=larger).circuit(n_classes)
        assert circuit is not None
        yield circuit
