"""The CPU kernels of the native backend. Only modules in here import numba, which takes a second, at first use.

A circuit becomes a table of integers, and compiled loops go through it. To read them, in this order:

- `operations.py`: every gate as a rotation about a Pauli string; `program.py`: a circuit as rows of a table.
- `simd.py`: 16 numbers as one value of numba; `passes.py`: one row of the table on a state, forward and backward.
- `parameters.py`: from weights and inputs to angles; `observables.py`: expectation values.
- `chunks.py`: the whole circuit, forward and adjoint; `wide.py`: the same for one large state over several cores.
- `engine.py`, `job.py`: all that as a torch function; `threads.py`, `counter.py`: who runs it; `cache.py`: on disk.
- Noise as density matrices: `pauli_program.py`, `density.py`, `density_engine.py`; as trajectories: `noisy.py`,
  `branches.py`, `trajectory_engine.py`.
"""
