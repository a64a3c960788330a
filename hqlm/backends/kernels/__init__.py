"""The CPU kernels of the native backend. Only modules in here import numba, which takes a second, at first use."""
