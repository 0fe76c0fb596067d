"""Simulators: each specimen with its truth, from one forward model."""
