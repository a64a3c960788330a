"""The package as it is installed: known by name to the command line, which imports no SDK for that."""

import subprocess
import sys


def test_the_command_line_knows_it_without_importing_the_sdk():
    code = (
        "import sys; from hqlm.commands import main; main(['components', '--slot', 'backend']); "
        "sys.exit(sum(name in sys.modules for name in ('qiskit', 'qiskit_ionq')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "IonQBackend" in done.stdout


def test_a_dry_run_of_a_training_ends_with_its_plan(tmp_path):
    settings = [
        "--model.text_encoder=HashingEncoder", "--data=ReviewsData",
        "--model.head.feature_encoder=LinearFeatureEncoder", "--model.head.feature_encoder.n_qubits=3",
        "--model.head.backend=IonQBackend", "--model.head.backend.max_cost_usd=5", "--model.head.execution.shots=10",
        "--trainer.num_sanity_val_steps=0", "--data.batch_size=4", "--trainer.logger=false",
    ]  # fmt: skip
    command = [sys.executable, "-m", "hqlm", "fit", *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "a dry run, nothing was submitted. This would send" in done.stderr
    assert "(4 for the values, " in done.stderr
