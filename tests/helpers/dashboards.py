"""Reads back what the writers wrote: by TensorBoard's own loader, and from W&B's offline files."""

import json
import struct

BLOCK_SIZE, FILE_HEADER, RECORD_HEADER = 32_768, 7, struct.Struct("<IHB")


def read_tensorboard(workdir):
    """Returns the records of TensorBoard: `{tag: [(step, value)]}`, images as (width, height)."""
    from tensorboard.backend.event_processing import event_accumulator

    sizes = {"images": 0, "tensors": 0, "scalars": 0}  # 0 keeps all
    accumulator = event_accumulator.EventAccumulator(str(workdir / "tensorboard"), sizes)
    accumulator.Reload()
    tags = accumulator.Tags()
    records = {t: [(e.step, e.value) for e in accumulator.Scalars(t)] for t in tags["scalars"]}
    for tag in tags["images"]:
        records[tag] = [(e.step, (e.width, e.height)) for e in accumulator.Images(tag)]
    for tag in tags["tensors"]:
        events = accumulator.Tensors(tag)
        records[tag] = [(e.step, e.tensor_proto.string_val[0].decode()) for e in events]
    return records


def read_wandb(workdir):
    """Returns the records of W&B's offline files: the run ids, and `{name: [(step, value)]}`."""
    from wandb.proto import wandb_internal_pb2

    ids, records = set(), {}
    for path in sorted(workdir.glob("wandb/offline-run-*/*.wandb")):
        for data in read_leveldb_log(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                ids.add(record.run.run_id)
            if record.HasField("history"):
                for item in record.history.item:
                    name = item.key or "/".join(item.nested_key)
                    value = (record.history.step.num, json.loads(item.value_json))
                    records.setdefault(name, []).append(value)
    return ids, records


def read_leveldb_log(content):
    """Yields the records of a file in the log format of LevelDB, after a header of 7 bytes."""
    position, parts = FILE_HEADER, []
    while position + RECORD_HEADER.size <= len(content):
        if (left := BLOCK_SIZE - position % BLOCK_SIZE) < RECORD_HEADER.size:
            position += left
            continue
        _, length, kind = RECORD_HEADER.unpack_from(content, position)
        position += RECORD_HEADER.size
        parts.append(content[position : position + length])
        position += length
        if kind in (1, 4):  # a whole record, or its last part
            yield b"".join(parts)
            parts = []
