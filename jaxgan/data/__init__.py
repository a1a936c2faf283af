"""Data sets by name, and how batches are drawn from them."""
