"""One module per system or study: `python -m experiments.NAME`. `shared` is for several studies."""

import gc

# By default Python's garbage collector runs after every 700 new objects. Importing and tracing
# create millions of objects that are kept, so the collections add a second to every start.
gc.set_threshold(50_000)
