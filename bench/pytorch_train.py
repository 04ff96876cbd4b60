#!/usr/bin/env python3
"""Times one training step on the swap InfoNCE in float32 PyTorch: forward, backward, clip to norm 1.0, AdamW.

  factorised   contexts and chunks encoded once, attention over the B x B pairs
  replicated   every pair its own copy of the context, as training code writes it

Prints one JSON object: the lower quartile of the steps after the first in milliseconds, the peak resident set in MiB.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "golden"))
from energy_model import READOUTS, build, energy_matrix, positional_encoding, swap_infonce  # noqa: E402


def factorised(model, card, hidden, actions, mask) -> torch.Tensor:
    """[B, B], the same values as energy_matrix."""
    b, steps = actions.shape[:2]
    h, heads = card["hidden"], card["heads"]
    c = model.state_linear(hidden)
    q = model.action_linear(actions)
    q = (q + positional_encoding(steps, h, q)).reshape(b * steps, h)
    wq, wk, wv = model.cross.in_proj_weight.chunk(3)
    bq, bk, bv = model.cross.in_proj_bias.chunk(3)
    by_head = lambda x: x.unflatten(-1, (heads, h // heads)).transpose(-3, -2)  # noqa: E731
    query = by_head(F.linear(q, wq, bq)).expand(b, -1, -1, -1)  # [B, heads, B*H, w]
    key, value = by_head(F.linear(c, wk, bk)), by_head(F.linear(c, wv, bv))  # [B, heads, S, w]
    z = F.scaled_dot_product_attention(query, key, value, attn_mask=~mask[:, None, None, :])
    z = model.cross.out_proj(z.transpose(1, 2).flatten(-2))  # [B, B*H, h]
    raw = model.prediction_head(z).view(b, b, steps)
    return READOUTS[card["energy"]](raw).mean(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["factorised", "replicated"])
    sizes = {"batch": 8, "tokens": 300, "masked": 30, "state-dim": 4096, "hidden": 512, "heads": 8, "steps": 8}
    for flag, default in (sizes | {"action-dim": 7, "threads": 2, "repeats": 3}).items():
        parser.add_argument(f"--{flag}", type=int, default=default, help="default %(default)s")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    card = {"architecture": "cross_attention", "activation": "relu", "energy": "sigmoid", "tau": 0.5}
    card |= {"state_dim": args.state_dim, "act_dim": args.action_dim, "hidden": args.hidden, "heads": args.heads}
    model = build(card).train()
    hidden = torch.randn(args.batch, args.tokens, args.state_dim)
    actions = torch.rand(args.batch, args.steps, args.action_dim) * 2 - 1
    mask = torch.zeros(args.batch, args.tokens, dtype=torch.bool)
    mask[:, args.tokens - args.masked :] = True
    matrix = factorised if args.way == "factorised" else energy_matrix
    with torch.no_grad():
        few = (hidden[:2, :40], actions[:2], mask[:2, :40])
        assert torch.allclose(factorised(model, card, *few), energy_matrix(model, card, *few), atol=1e-4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
    times = []
    for _ in range(1 + args.repeats):
        started = time.perf_counter()
        optimizer.zero_grad()
        swap_infonce(matrix(model, card, hidden, actions, mask), card["tau"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append((time.perf_counter() - started) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    quartile = sorted(times[1:])[args.repeats // 4]
    print(json.dumps({"ms": quartile, "peakMiB": peak}))


if __name__ == "__main__":
    main()
