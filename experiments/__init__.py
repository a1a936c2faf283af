"""One module for each system: `python -m experiments.NAME`."""

import gc

# By default Python's collector runs after 700 new objects; importing and tracing make millions that stay, and it looked
# at them for a second of every start.
gc.set_threshold(50_000)
