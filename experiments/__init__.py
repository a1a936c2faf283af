"""One module per system or study: `python -m experiments.NAME`."""

import gc

# Python's garbage collector runs after every 700 new objects by default. Importing and tracing make
# millions of objects that stay, which cost a second of every start.
gc.set_threshold(50_000)
