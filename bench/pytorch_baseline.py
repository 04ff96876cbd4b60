#!/usr/bin/env python3
"""Times the energy model in eager float32 PyTorch as training code runs it: every pair replicates its context.

  matrix B   contexts and actions expanded to [B*B, ...] and run through the model
  rank N     one context expanded to [N, ...]

Prints one JSON object; times are medians in milliseconds. Rows that do not fit into --max-rows at once run in chunks.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "golden"))
from energy_model import build, energies  # noqa: E402


@torch.no_grad()
def replicated(model, card, hidden, actions, mask, pairs, max_rows: int) -> torch.Tensor:
    """Energies of `pairs` = (context indices, action indices); the rows are gathered, so each pair owns a copy."""
    out = []
    for contexts, chunks in zip(pairs[0].split(max_rows), pairs[1].split(max_rows)):
        out.append(energies(model, card, hidden[contexts], actions[chunks], mask[contexts]))
    return torch.cat(out)


def median_ms(run, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"tokens": 600, "masked": 60, "state-dim": 4096, "hidden": 512, "heads": 8, "steps": 8, "action-dim": 7}
    for flag, default in (sizes | {"threads": 2, "repeats": 1, "max-rows": 64, "seed": 0}).items():
        parser.add_argument(f"--{flag}", type=int, default=default, help="default %(default)s")
    parser.add_argument("--matrix", type=int, nargs="*", default=[8], metavar="B", help="default %(default)s")
    parser.add_argument("--rank", type=int, nargs="*", default=[64], metavar="N", help="default %(default)s")
    args = parser.parse_args()
    if args.masked >= args.tokens:
        parser.error("--masked must leave tokens visible")

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    card = {"architecture": "cross_attention", "activation": "relu", "energy": "sigmoid", "heads": args.heads}
    card |= {"state_dim": args.state_dim, "act_dim": args.action_dim, "hidden": args.hidden}
    model = build(card).eval()
    mask_row = torch.arange(args.tokens) >= args.tokens - args.masked
    jobs = [("matrix", b, b, b, torch.cartesian_prod(torch.arange(b), torch.arange(b)).T) for b in args.matrix]
    jobs += [("rank", n, 1, n, (torch.zeros(n, dtype=torch.long), torch.arange(n))) for n in args.rank]

    warm = torch.randn(2, args.tokens, args.state_dim), torch.randn(2, args.steps, args.action_dim)
    with torch.no_grad():
        energies(model, card, *warm, mask_row.expand(2, -1))
    results = []
    for kind, size, contexts, chunks, pairs in jobs:
        hidden = torch.randn(contexts, args.tokens, args.state_dim)
        actions = torch.rand(chunks, args.steps, args.action_dim) * 2 - 1
        mask = mask_row.expand(contexts, -1)
        ms = median_ms(
            lambda: replicated(model, card, hidden, actions, mask, pairs, args.max_rows), args.repeats
        )
        results.append({"kind": kind, "size": size, "ms": round(ms, 3)})
    fixed = {key: value for key, value in vars(args).items() if key not in ("matrix", "rank")}
    print(json.dumps({"torch": torch.__version__, **fixed, "results": results}))


if __name__ == "__main__":
    main()
