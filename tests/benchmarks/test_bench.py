"""The benchmark compares what agrees, says what does not, and leaves out what is missing or slow."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import suite, timing
from benchmarks.__main__ import main
from benchmarks.head import Head, Size
from benchmarks.steps import Step
from hqlm.errors import HqlmError, MissingDependency

SMALL = ["--qubits=[3]", "--batch=4", "--repeats=1"]
# lightning.qubit and JAX start threads, after which forking tests would warn
PENNYLANE = "--peers=[plain_torch,pennylane_default,pennylane_mixed]"


def test_json_has_every_part_peer_and_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, PENNYLANE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["threads"] == 1
    assert found["machine"]["versions"]["torch"] == torch.__version__
    pairs = [(row["part"], row["peer"]) for row in found["timings"]]
    assert pairs == [
        *((part, peer) for part in ("train", "inference") for peer in ("native", "plain_torch", "pennylane_default")),
        *(("second", peer) for peer in ("native", "pennylane_default")),
        *(("noise", peer) for peer in ("native", "native_noisy")),
        *(("mixed", peer) for peer in ("native_noisy", "pennylane_mixed")),
    ]
    assert all(row["milliseconds"] > 0 and row["ratio"] > 0 and not row["note"] for row in found["timings"])
    assert {row["size"]["batch"] for row in found["timings"]} == {4}


def test_tables_name_the_machine_and_show_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    assert main([*SMALL, "--parts=[inference]", "--peers=[plain_torch]"]) == 0
    assert torch.get_num_threads() == threads
    about, _, title, _, header, _, row = capsys.readouterr().out.splitlines()
    assert f"1 thread; Python 3.{about.split('Python 3.')[1]}" in about
    assert title == "Inference"
    assert header.split("|")[4].strip() == "native"
    assert row.split("|")[4].strip().endswith(" ms")
    assert row.split("|")[5].strip().endswith("x")


@pytest.mark.parametrize(
    "peer",
    [
        "pennylane_lightning",
        "tensorcircuit",
        "qiskit",
        "pennylane_backend",
        "lightning_backend",
        "cirq_backend",
        "qiskit_backend",
    ],
)
@pytest.mark.slow
def test_every_installed_simulator_agrees(peer: str) -> None:
    pytest.importorskip(suite.PEERS[peer].package)
    for name, part in suite.PARTS.items():
        if peer in part.peers[1:]:
            (row,) = (row for row in timing.compare(name, part.step, Size(3, 4), [part.peers[0], peer], 1)[1:])
            assert row.note == ""


@pytest.mark.parametrize("place", [0, -1])
def test_a_simulator_that_differs_gets_no_ratio(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    right = timing.build

    def build(peer: str, head: Head, step: str) -> Step:
        run = right("native", head, step)

        def spoilt() -> list[torch.Tensor]:
            found = run()
            found[place] = found[place] * torch.nan  # values, or the last gradient alone
            return found

        return run if peer == "native" else spoilt

    monkeypatch.setattr(timing, "build", build)
    native, plain = timing.compare("train", "train", Size(3, 4), ["native", "plain_torch"], 1)
    assert native.ratio == 1.0
    assert plain.ratio is None
    assert "differ by nan" in plain.note


def test_a_slow_simulator_is_spared_larger_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_SLOW", 0.0)
    part = replace(suite.PARTS["train"], sizes=(Size(3, 4), Size(4, 4)))
    rows = list(suite.run("train", part, ["plain_torch"], 1))
    assert [(row.peer, row.size.n_qubits) for row in rows] == [
        ("native", 3), ("plain_torch", 3), ("native", 4), ("plain_torch", 4),
    ]  # fmt: skip
    assert rows[3].milliseconds is None
    assert rows[3].note.startswith("spared")


def test_a_simulator_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suite.PEERS, "qiskit", suite.Peer("Qiskit", "no_such_package"))
    assert "qiskit" not in suite.choose([])
    with pytest.raises(MissingDependency, match="no_such_package"):
        suite.choose(["qiskit"])


def test_encoding_is_timed_beside_the_bare_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--parts=[encoding]", "--repeats=1", "--batch=8"]
    assert main([*flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    bare, exact, rounded = found["encodings"]
    assert found["timings"] == []
    assert (bare["encoder"], bare["ratio"], bare["difference"]) == ("SentenceTransformer.encode", 1.0, 0.0)
    assert exact["sentences_per_second"] > 0
    assert exact["difference"] < 1e-5
    assert rounded["note"] or 1e-5 < rounded["difference"] < 0.01
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert main([*flags]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split("|")[1].strip() for line in lines] == [bare["encoder"], "hqlm, float32", "hqlm, bfloat16"]
    assert "is not supported by this" in lines[2]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--peers=[qiskt]", "Did you mean 'qiskit'"),
        ("--parts=[trian]", "Did you mean 'train'"),
        ("--plot=cost.png", "ends in .pdf or .svg"),
    ],
)
def test_mistakes(flag: str, message: str) -> None:
    with pytest.raises(HqlmError, match=re.escape(message)):
        main([flag])


def test_plot(tmp_path: Path) -> None:
    file = tmp_path / "cost.svg"
    assert main([*SMALL, "--parts=[train]", "--peers=[plain_torch]", f"--plot={file}"]) == 0
    assert "<svg" in file.read_text()
