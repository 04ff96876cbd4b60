#!/usr/bin/env python3
"""Makes checkpoints as training loops leave them, all of one small model: data/checkpoints/.

  make_checkpoints.py [--out DIR]

`plain.safetensors` is the model; every other file holds the same weights (see test/golden/checkpoints.test.ts), but for
`pe_wrong.pt`, whose stored positions are not the formula's.
"""

import argparse
import collections
import datetime
import pathlib
import random

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from energy_model import build, positional_encoding

CARD = {"architecture": "cross_attention", "activation": "relu", "hidden": 8, "heads": 2, "state_dim": 6, "act_dim": 3}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "data" / "checkpoints")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    model = build(CARD)
    weights = model.state_dict()
    save_file(weights, out / "plain.safetensors")

    averaged = torch.optim.swa_utils.AveragedModel(model)  # n_averaged beside module.*
    torch.save(averaged.state_dict(), out / "averaged.pt")

    # half of the keys with the prefix of a wrapper
    mixed = {f"module.{name}" if i % 2 else name: value for i, (name, value) in enumerate(weights.items())}
    torch.save(mixed, out / "mixed_prefix.pt")

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    model(torch.zeros(1, 4, 6), torch.zeros(1, 2, 3)).sum().backward()
    optimizer.step()
    model.load_state_dict(weights := load_file(out / "plain.safetensors"))
    settings = argparse.Namespace(
        lr=5e-4, out=pathlib.Path("runs/1"), dtype=torch.float32, device=torch.device("cpu"), started=datetime.date(2026, 1, 1)
    )
    everything = {
        "model": weights,
        "optimizer": optimizer.state_dict(),
        "step": torch.tensor(80000),
        "rng_state": torch.get_rng_state()[:16].clone(),
        "numpy_rng": np.random.get_state(),
        "python_rng": random.getstate(),
        "args": settings,
        "loss": np.float64(0.25),
        "best": np.int64(3),
        "seen": {1, 2},
        "frozen": frozenset({"a"}),
        "counts": collections.defaultdict(list, {"a": [1]}),
        "dtype": np.dtype("float32"),
        "history": np.zeros(2),
    }
    torch.save(everything, out / "everything.pt")
    torch.save(everything, out / "everything_protocol4.pt", pickle_protocol=4)
    torch.save(everything, out / "everything_old.pt", _use_new_zipfile_serialization=False)

    lightning = {f"model.{name}": value for name, value in weights.items()}
    hyper = {"hidden": 8, "path": pathlib.Path("data")}
    torch.save(
        {
            "epoch": 3,
            "global_step": 100,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": lightning,
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.1), "dirpath": "x"}},
            "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [],
            "hyper_parameters": hyper,
        },
        out / "lightning.ckpt",
    )

    # part of a larger policy, beside tensors of its own
    policy = {"vision.weight": torch.zeros(2, 2)} | {f"policy.energy_model.{k}": v for k, v in weights.items()}
    torch.save({"checkpoint": {"model": policy}}, out / "two_levels.pt")
    other = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"weights": {"ema": weights, "live": other}}, out / "key.pt")

    pe = positional_encoding(64, 8, torch.zeros(1))[None]
    torch.save({**weights, "pos_encoding.pe": pe, "temperature": torch.tensor(0.5)}, out / "pe.pt")
    torch.save({**weights, "pos_encoding.pe": pe.roll(1, dims=1)}, out / "pe_wrong.pt")


    # one storage for all, some of it transposed
    flat = torch.cat([value.reshape(-1) for value in weights.values()])
    views, at = {}, 0
    for name, value in weights.items():
        piece = flat[at : at + value.numel()].view(value.shape)
        views[name] = nn.Parameter(piece.t().contiguous().t() if value.dim() == 2 else piece)
        at += value.numel()
    torch.save(collections.OrderedDict(views), out / "shared_old.pt", _use_new_zipfile_serialization=False)
    np.savez(out / "fortran.npz", **{name: np.asfortranarray(value.numpy()) for name, value in weights.items()})


if __name__ == "__main__":
    main()
