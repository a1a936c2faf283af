"""How good samples are, as pure functions on arrays."""
