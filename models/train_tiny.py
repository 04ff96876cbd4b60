#!/usr/bin/env python3
"""Trains the small bundled model and writes its checkpoint and data files. Seeded; about 14 steps a second on two free cores.

  train_tiny.py --out DIR     DIR/tiny-reach.pt, DIR/tiny-reach.safetensors, DIR/tiny-reach-calibration.safetensors
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tiny_task import A, D, H, failed, flip_gripper, perturb, policy_samples, sample_moments

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "golden"))
from energy_model import READOUTS, build, off_diagonal, positional_encoding, swap_infonce  # noqa: E402

CARD = {
    "architecture": "cross_attention",
    "activation": "relu",
    "energy": "sigmoid",
    "state_dim": D,
    "act_dim": A,
    "hidden": 64,
    "heads": 4,
    "tau": 0.5,
}
TRAIN, HELD_OUT, CALIBRATION, EXAMPLES = 8192, 1024, 256, 4
SAMPLES = 8  # of a policy, a calibration moment
BATCH, EVAL_BATCH = 48, 32
EXPLICIT = 0.5  # weight of each expert chunk against its own distortions, beside the swap loss
AGAINST_SATURATION = 2e-3  # weight of r^2, which keeps the sigmoid from bunching energies at its ends


def raw_steps(model, hidden, mask, actions) -> torch.Tensor:
    """r [B, C, H] of contexts hidden [B, S, D] by candidates: [C, H, A] for all, or [B, C, H, A] each its own.

    The same numbers as replicating every context, each side encoded once.
    """
    attention, heads = model.cross, model.cross.num_heads
    wq, wk, wv = attention.in_proj_weight.chunk(3)
    bq, bk, bv = attention.in_proj_bias.chunk(3)
    c, q = model.state_linear(hidden), model.action_linear(actions)
    q = model.dropout(q + positional_encoding(q.shape[-2], q.shape[-1], q))
    q = F.linear(q, wq, bq).unflatten(-1, (heads, -1)) * (q.shape[-1] // heads) ** -0.5  # [(B,) C, H, n, d]
    k, v = (F.linear(c, w, b).unflatten(-1, (heads, -1)) for w, b in ((wk, bk), (wv, bv)))  # [B, S, n, d]
    queries = "chnd" if q.dim() == 4 else "bchnd"
    logits = torch.einsum(f"{queries},bsnd->bcnhs", q, k)
    weights = logits.masked_fill(mask[:, None, None, None], float("-inf")).softmax(-1)
    z = torch.einsum("bcnhs,bsnd->bchnd", weights, v).flatten(-2)
    return model.prediction_head(attention.out_proj(z)).squeeze(-1)


def pooled(raw: torch.Tensor) -> torch.Tensor:
    """Energies [B, C] of raw steps [B, C, H]."""
    return READOUTS[CARD["energy"]](raw).mean(-1)


def as_tensors(moments: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Contexts rounded to bfloat16, as a policy's hidden states are."""
    tensors = {key: torch.from_numpy(value) for key, value in moments.items()}
    return tensors | {"hidden": tensors["hidden"].bfloat16()}


def own_negatives(rng: np.random.Generator, actions: torch.Tensor) -> torch.Tensor:
    """[B, 4, H, A]: the expert chunk pushed twice, with the gripper flipped, and with its steps reversed."""
    chunks = actions.numpy()
    made = [perturb(rng, chunks, 0.5), perturb(rng, chunks, 1.0), flip_gripper(chunks), chunks[:, ::-1].copy()]
    return torch.from_numpy(np.stack(made, axis=1).astype(np.float32))


@torch.no_grad()
def evaluate(model, data) -> dict[str, float]:
    """Swap InfoNCE over batches of EVAL_BATCH held-out moments; a tie counts as a miss."""
    model.eval()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(data["actions"])))
    rows = []
    for batch in order.split(EVAL_BATCH):
        context = data["hidden"][batch].float(), data["pad_mask"][batch]
        matrix = pooled(raw_steps(model, *context, data["actions"][batch]))
        others = matrix + torch.diag(torch.full((len(batch),), float("inf")))
        hits = (matrix.diagonal() < others.min(1).values).float().mean()
        rows.append(
            [swap_infonce(matrix, CARD["tau"]), hits, matrix.diagonal().mean(), off_diagonal(matrix).mean()]
        )
    names = ("loss", "accuracy", "positive_energy", "negative_energy")
    return dict(zip(names, torch.tensor(rows).mean(0).tolist()))


def train(seed: int, steps: int):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    data = as_tensors(sample_moments(seed=seed + 1, count=TRAIN, per_episode=4))
    held_out = as_tensors(sample_moments(seed=seed + 2, count=HELD_OUT, per_episode=2))
    model = build(CARD, dropout=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    for step in range(steps):
        model.train()
        batch = torch.from_numpy(rng.choice(TRAIN, BATCH, replace=False))
        context, actions = (data["hidden"][batch].float(), data["pad_mask"][batch]), data["actions"][batch]
        swapped = raw_steps(model, *context, actions)
        own = raw_steps(model, *context, own_negatives(rng, actions))
        matrix = pooled(swapped)
        logits = -torch.cat([matrix.diagonal()[:, None], pooled(own)], dim=1) / CARD["tau"]
        explicit = F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long))
        bunching = swapped.square().mean() + own.square().mean()
        loss = swap_infonce(matrix, CARD["tau"]) + EXPLICIT * explicit + AGAINST_SATURATION * bunching
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            figures = " ".join(f"{k} {v:.3f}" for k, v in evaluate(model, held_out).items())
            print(f"step {step + 1} loss {loss.item():.3f} held out: {figures} ({time.monotonic() - started:.0f} s)")
    return model.eval()


def example_file(seed: int) -> dict[str, torch.Tensor]:
    """Contexts with 16 candidates each; candidate 3*i is the expert's, which stands in `actions` too."""
    data = as_tensors(sample_moments(seed=seed, count=EXAMPLES, per_episode=1))
    others = sample_moments(seed=seed + 1, count=EXAMPLES * 12, per_episode=1)["actions"]
    made = own_negatives(np.random.default_rng(seed), data["actions"])[:, :3]
    candidates = torch.cat([torch.from_numpy(others).view(EXAMPLES, 12, H, A), made], dim=1)
    rows = [torch.cat([row[: 3 * i], data["actions"][i : i + 1], row[3 * i :]]) for i, row in enumerate(candidates)]
    return {key: data[key] for key in ("hidden", "pad_mask", "actions")} | {"candidates": torch.stack(rows)}


def calibration_file(seed: int) -> dict[str, torch.Tensor]:
    """Expert moments of unseen episodes, with two negatives each (the chunk pushed aside, the gripper flipped), and with
    samples of a noisy policy and what each would come to."""
    moments = sample_moments(seed=seed, count=CALIBRATION, per_episode=4)
    chunks = moments["actions"]
    pushed = perturb(np.random.default_rng(seed), chunks, 0.5).astype(np.float32)
    negatives = torch.from_numpy(np.stack([pushed, flip_gripper(chunks)], axis=1))
    samples = policy_samples(np.random.default_rng(seed + 1), chunks, SAMPLES)
    return as_tensors(moments) | {
        "negatives": negatives,
        "candidates": torch.from_numpy(samples).bfloat16(),
        "candidate_cost": torch.from_numpy(failed(chunks, samples)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    model = train(args.seed, args.steps)
    torch.save(model.state_dict(), args.out / "tiny-reach.pt")
    save_file(example_file(args.seed + 1000), args.out / "tiny-reach.safetensors")
    save_file(calibration_file(args.seed + 2000), args.out / "tiny-reach-calibration.safetensors")


if __name__ == "__main__":
    main()
