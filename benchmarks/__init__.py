"""Timing of the native engine beside other simulators, on the same circuits in the same run."""
