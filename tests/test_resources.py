"""Cores and memory are those that this process may use, not those of the machine."""

import os
import subprocess
import sys

from hqlm import resources
from hqlm.resources import usable_cores


def test_cores_are_those_that_this_process_may_run_on():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); import hqlm.resources as r"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(r.usable_cores())"], capture_output=True, check=True)
    assert done.stdout == b"1\n"
    assert 1 <= usable_cores() <= os.cpu_count()


def test_quotas_of_both_versions_of_cgroups_are_read(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/cpu.max").write_text("150000 100000\n")
    (tmp_path / "a/b/cpu.max").write_text("max 100000\n")
    groups = tmp_path / "cgroup"
    groups.write_text("0::/a/b\n")
    assert list(resources._cpu_quotas(groups, tmp_path)) == [1.5]
    old = tmp_path / "cpu,cpuacct/c"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("-1\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    (old.parent / "cpu.cfs_quota_us").write_text("200000\n")
    (old.parent / "cpu.cfs_period_us").write_text("100000\n")
    groups.write_text("4:memory:/c\n3:cpu,cpuacct:/c\n")
    assert list(resources._cpu_quotas(groups, tmp_path)) == [2.0]


def test_limits_of_control_groups_and_of_their_parents_count(tmp_path):
    groups = tmp_path / "cgroup"
    groups.write_text("9:name=systemd:/\n4:memory:/a/b\n0::/c/d\n")
    files = {"memory/a/b/memory.limit_in_bytes": "5000", "memory/memory.limit_in_bytes": str(2**63 - 4096)}
    files |= {"c/d/memory.max": "max", "c/memory.max": "3000"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert sorted(resources._memory_limits(groups, tmp_path)) == [3000.0, 5000.0, float(2**63 - 4096)]
    assert list(resources._memory_limits(tmp_path / "absent", tmp_path)) == []


def test_a_limit_of_the_address_space_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); "
        "from hqlm.resources import physical_memory; print(physical_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 2.0**33
    assert resources.physical_memory() <= resources._machine_memory()
