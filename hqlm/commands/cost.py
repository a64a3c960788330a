"""`hqlm cost`: what the circuit of an experiment costs on hardware and simulated, before anything is submitted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Final

from lightning.pytorch.cli import LightningArgumentParser

from hqlm.circuits import Circuit
from hqlm.commands.quiet import quiet
from hqlm.commands.request import Request
from hqlm.commands.training_cli import HqlmCLI
from hqlm.cost import DEVICES, SUPERCONDUCTING, TRAPPED_ION, Device, Rows, Simulator, estimate, plot, table, workload
from hqlm.data import TextDataModule
from hqlm.errors import ConfigError
from hqlm.heads import QuantumHead
from hqlm.models import TextModel
from hqlm.registry import suggestion

_DESCRIPTION: Final = """What the quantum circuit of an experiment costs; nothing is trained and nothing is submitted.

  hqlm cost --config configs/sst2.yaml
  hqlm cost --config configs/sst2.yaml --head.execution.shots=1000 --plot cost.svg
  hqlm cost --config configs/sst2.yaml --devices=[trapped_ion] --trapped_ion.watts=5000
  hqlm cost --config configs/sst2.yaml --model.head.feature_encoder.n_qubits=20 --json

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


@quiet()
def main(args: list[str]) -> int:
    """Estimate, and print tables or JSON."""
    request = Request.read(args)
    request.load_plugins()
    cli = CostCLI("cost", _DESCRIPTION, request)
    config = cli.config_init
    for name in config["devices"]:
        if name not in DEVICES:
            raise ConfigError(f"--devices: there is no '{name}'. {suggestion(name, list(DEVICES))}")
    if config["plot"] is not None:
        plot.check(config["plot"])
    head = _head(cli)
    rows, n_classes = _rows(cli)
    circuits = list(_circuits(head, config["qubits"], n_classes))
    shots = head.execution.shots or _SHOTS
    work = workload(circuits[0], rows, head.execution, _trains_inputs(head), shots)
    cost = estimate(circuits, work, {name: config[name] for name in config["devices"]}, config["simulation"])
    if config["json"]:
        assumed = {name: asdict(config[name]) for name in (*config["devices"], "simulation")}
        print(json.dumps(asdict(cost) | {"assumptions": assumed}, indent=2))
    else:
        print(table.text(cost, head.execution.shots is not None))
    if config["plot"] is not None:
        plot.draw(cost, config["plot"])
        print(f"{config['plot']} shows it", file=sys.stderr)
    return 0


class CostCLI(HqlmCLI):
    """The parser of `hqlm fit` with devices and assumptions in place of a checkpoint."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """What is estimated, and on which assumptions."""
        names = ", ".join(DEVICES)
        parser.add_argument("--devices", type=list[str], default=list(DEVICES), help=f"Of {names}; [] needs no Qiskit.")
        parser.add_argument(
            "--qubits",
            type=list[int] | None,
            default=None,
            help=f"Sizes of the feature encoder to compare; by default its own and every {_STEP}th up to {_LARGEST}.",
        )
        parser.add_argument("--plot", type=Path | None, default=None, help="Draw energy and gates against qubits.")
        parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
        parser.add_argument("--trapped_ion", type=Device, default=TRAPPED_ION.device, help="Times and power.")
        parser.add_argument("--superconducting", type=Device, default=SUPERCONDUCTING.device, help="Times and power.")
        parser.add_argument("--simulation", type=Simulator, default=Simulator(), help="What devices stand beside.")


def _head(cli: HqlmCLI) -> QuantumHead:
    head = cli.model.recipe if isinstance(cli.model, TextModel) else None
    if not isinstance(head, QuantumHead) or head.reuploading is None:
        raise ConfigError(
            f"--model={type(cli.model).__name__}: there is no circuit of a second module to cost. Give a TextModel "
            "with model.head=QuantumHead that does not ablate it"
        )
    return head


def _rows(cli: HqlmCLI) -> tuple[Rows, int]:
    """What a training run passes through the circuit, and the number of classes."""
    data, trainer = cli.datamodule, cli.config["trainer"]
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
    """Whether something trainable stands before the circuit."""
    assert head.reuploading is not None
    features = head.feature_encoder.build(1)  # what is trained does not depend on the size of an embedding
    return head.reuploading.trains_scale or any(each.requires_grad for each in features.parameters())


def _circuits(head: QuantumHead, qubits: list[int] | None, n_classes: int) -> Iterator[Circuit]:
    """The circuit as configured, and with other sizes of the feature encoder, ascending."""
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
