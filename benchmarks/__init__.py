"""Measurements, beside PyTorch's where there is a peer."""
