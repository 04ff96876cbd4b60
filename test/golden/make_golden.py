#!/usr/bin/env python3
"""Makes golden vectors of the energy model family, or checks given ones.

  make_golden.py --out DIR [--case NAME ...] [--seed N] [--steps 8 ...]   writes CASE.{json,weights,inputs,expected}
  make_golden.py --check DIR [--case NAME ...]                            recomputes what DIR expects; exits 1 on a mismatch

Everything is computed in float64 from float32 weights and inputs. File layout and names: data/README.md.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from energy_model import READOUTS, build, energies, energy_matrix, off_diagonal, pooled, swap_infonce

HINGE_MARGIN, HINGE_KAPPA, MARGIN_BETA = 1.0, 0.6, 2.0
NOISE_SIGMAS = (0.05, 0.15, 0.30)


def presets() -> dict[str, dict]:
    """Every architecture with every activation and readout; cross-attention with and without a mask."""
    cases = {}
    for activation, energy in itertools.product(("relu", "silu"), READOUTS):
        common = {"activation": activation, "energy": energy, "tau": 1.0 if energy == "linear" else 0.5}
        cross = {"architecture": "cross_attention", **common}
        cases[f"cross_{activation}_{energy}"] = {**cross, "mask": True}
        cases[f"cross_{activation}_{energy}_nomask"] = {**cross, "mask": False}
        cases[f"global_{activation}_{energy}"] = {"architecture": "global_context", **common, "mask": False}
    # a layer norm epsilon that shows
    eps = {"activation": "relu", "energy": "sigmoid", "tau": 0.5, "layer_norm_eps": 1e-2}
    cases["cross_eps"] = {"architecture": "cross_attention", **eps, "mask": True}
    cases["global_eps"] = {"architecture": "global_context", **eps, "mask": False}
    # what a model that can see how far an action goes has, and pools that do not dilute
    silu = {"activation": "silu", "energy": "sigmoid", "tau": 0.5}
    cross, glob = {"architecture": "cross_attention"}, {"architecture": "global_context"}
    cases["cross_no_action_norm"] = {**cross, **silu, "action_norm": "none", "mask": True}
    cases["cross_no_action_norm_learned"] = {**cross, **silu, "action_norm": "none", "pool": "learned", "mask": True}
    cases["cross_windowed_max"] = {**cross, **silu, "pool": "windowed_max", "mask": True}
    cases["global_learned"] = {**glob, **silu, "pool": "learned", "mask": False}
    cases["global_windowed_max"] = {**glob, **silu, "pool": "windowed_max", "mask": False}
    return cases


def make_card(case: dict, args: argparse.Namespace) -> dict:
    card = {key: case[key] for key in ("architecture", "activation", "energy", "tau")}
    card |= {key: case[key] for key in ("layer_norm_eps", "action_norm", "pool") if key in case}
    card |= {"state_dim": args.state_dim, "act_dim": args.action_dim, "hidden": args.hidden}
    if case["architecture"] == "cross_attention":
        card["heads"] = args.heads
    else:
        card |= {"layers": args.layers, "chunk": args.steps}
    sizes = {"B": args.batch, "S": args.tokens, "D": args.state_dim, "H": args.steps, "A": args.action_dim}
    return card | {"shapes": sizes | {"M": args.negatives}}


# In units of a ReLU's inputs, which have a spread of about one. What float32 computes is some 1e-6 from float64: a unit nearer to
# its kink may have slope 0 in one and 1 in the other, and both are right.
KINK = 4e-6


def draw(card: dict, mask: bool, gradients: bool, rng: torch.Generator) -> tuple[dict, dict, dict]:
    """Weights, inputs and what is expected of them; drawn again where a ReLU's input lies within KINK of zero."""
    nearest = float("inf")

    def watch(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal nearest
        if isinstance(module, nn.ReLU):
            nearest = min(nearest, inputs[0].detach().abs().min().item())

    hook = nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        while True:
            nearest = float("inf")
            weights, inputs = make_weights(card, rng), make_inputs(card, mask, rng)
            expected = expected_values(card, weights, inputs, gradients)
            if nearest > KINK:
                return weights, inputs, expected
    finally:
        hook.remove()


def make_weights(card: dict, rng: torch.Generator) -> dict[str, torch.Tensor]:
    """Random float32 weights; norms are moved off one and zero so that a forgotten one shows."""
    weights = {}
    for name, value in build(card).state_dict().items():
        noise = torch.randn(value.shape, generator=rng)
        if value.dim() > 1:
            weights[name] = noise if name.startswith("pos_emb") else noise * value.shape[1] ** -0.5
        elif name.endswith("weight"):
            weights[name] = 1 + 0.2 * noise
        elif name == "step_weights":
            weights[name] = noise
        else:
            weights[name] = 0.2 * noise
    return weights


def make_inputs(card: dict, mask: bool, rng: torch.Generator) -> dict[str, torch.Tensor]:
    b, s, d, h, a, m = (card["shapes"][k] for k in "BSDHAM")
    one_vector = card["architecture"] == "global_context"
    inputs = {
        "hidden": torch.randn((b, d) if one_vector else (b, s, d), generator=rng),
        "actions": torch.rand((b, h, a), generator=rng) * 2 - 1,
        "negatives": torch.rand((b, m, h, a), generator=rng) * 2 - 1,
    }
    for i, sigma in enumerate(NOISE_SIGMAS):
        inputs[f"noise{i}"] = sigma * torch.randn((b, h, a), generator=rng)
    if mask:  # ragged: row i keeps a random number of tokens, at random places, two at least
        keep = torch.randint(2, s + 1, (b, 1), generator=rng)
        rank = torch.rand((b, s), generator=rng).argsort(1).argsort(1)
        inputs["pad_mask"] = rank >= keep
    return inputs


def gradient_alignment(model, card, hidden, actions, mask, noises) -> torch.Tensor:
    """Mean over noises and batch of -cos(-dE/da~, a - a~), a~ = a + noise, over the flattened chunk."""
    losses = []
    for noise in noises:
        noisy = (actions + noise).detach().requires_grad_(True)
        total = energies(model, card, hidden, noisy, mask).sum()
        (grad,) = torch.autograd.grad(total, noisy, create_graph=True)
        losses.append(-F.cosine_similarity(-grad.flatten(1), (actions - noisy).flatten(1), dim=1).mean())
    return torch.stack(losses).mean()


def forward_values(model, card, x) -> dict[str, torch.Tensor]:
    hidden, actions, mask, negatives = x["hidden"], x["actions"], x.get("pad_mask"), x["negatives"]
    tau, (b, m) = card["tau"], negatives.shape[:2]
    raw = model(hidden, actions, mask)
    steps = READOUTS[card["energy"]](raw)
    energy, matrix = pooled(model, card, steps), energy_matrix(model, card, hidden, actions, mask)
    repeated_mask = None if mask is None else mask.repeat_interleave(m, 0)
    negative = energies(model, card, hidden.repeat_interleave(m, 0), negatives.flatten(0, 1), repeated_mask).view(b, m)
    logits = -torch.cat([energy[:, None], negative], dim=1) / tau
    distance = (negatives[:, 0] - actions).flatten(1).norm(dim=1)
    difference = (actions[None, :] - actions[:, None]).abs().mean((-2, -1))  # [i, j] = mean|a_j - a_i|
    margins = F.relu(matrix.diagonal()[:, None] - matrix + MARGIN_BETA * difference)
    return {
        "raw_steps": raw,
        "steps": steps,
        "energy": energy,
        "matrix": matrix,
        "swap_infonce": swap_infonce(matrix, tau),
        "positive_energy": matrix.diagonal().mean(),
        "negative_energy": off_diagonal(matrix).mean(),
        "explicit_infonce": F.cross_entropy(logits, torch.zeros(b, dtype=torch.long)),
        "explicit_negative_energy": negative.mean(),
        "hinge": F.relu(HINGE_MARGIN + HINGE_KAPPA * distance + energy.detach() - negative[:, 0]).mean(),
        "margin_swap": off_diagonal(margins).mean(),
    }


def gradients(model, prefix: str, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, parameters = zip(*model.named_parameters())
    grads = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    return {f"{prefix}/{n}": g for n, g in zip(names, grads)}


def adamw_values(model, card, x) -> dict[str, torch.Tensor]:
    """Three AdamW steps on the swap loss; changes the model."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, norms = [], []
    for _ in range(3):
        optimizer.zero_grad()
        loss = swap_infonce(energy_matrix(model, card, x["hidden"], x["actions"], x.get("pad_mask")), card["tau"])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        losses.append(loss.detach())
        optimizer.step()
    after = {f"adamw/{name}": p.detach() for name, p in model.named_parameters()}
    return {"adamw_losses": torch.stack(losses), "adamw_grad_norms": torch.stack(norms), **after}


def expected_values(card: dict, weights: dict, inputs: dict, with_gradients: bool) -> dict[str, torch.Tensor]:
    model = build(card, twice_differentiable=True).double().eval()
    model.load_state_dict({name: value.double() for name, value in weights.items()})
    x = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    values = forward_values(model, card, x)
    if with_gradients:
        values |= gradients(model, "grad", values["swap_infonce"])
        for loss in ("explicit_infonce", "hinge", "margin_swap"):
            values |= gradients(model, f"{loss}_grad", values[loss])
        actions = x["actions"].clone().requires_grad_(True)
        total = energies(model, card, x["hidden"], actions, x.get("pad_mask")).sum()
        values["action_grad"] = torch.autograd.grad(total, actions)[0]
        noises = [x[f"noise{i}"] for i in range(len(NOISE_SIGMAS))]
        aligned = gradient_alignment(model, card, x["hidden"], x["actions"], x.get("pad_mask"), noises)
        values |= {"gradient_alignment": aligned} | gradients(model, "gal_grad", aligned)
        values |= adamw_values(model, card, x)
    return {name: value.detach().clone().contiguous() for name, value in values.items()}


def write(out: Path, name: str, card: dict, weights: dict, inputs: dict, expected: dict) -> None:
    (out / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")
    save_file(weights, out / f"{name}.weights.safetensors")
    torch.save(weights, out / f"{name}.weights.pt")
    save_file(inputs, out / f"{name}.inputs.safetensors")
    save_file(expected, out / f"{name}.expected.safetensors")


def check(directory: Path, names: list[str], tolerance: float) -> int:
    """Number of values that differ from what the directory expects by more than `tolerance`, absolute."""
    bad = 0
    for name in names:
        card = json.loads((directory / f"{name}.json").read_text())
        weights, inputs, given = (
            load_file(directory / f"{name}.{kind}.safetensors") for kind in ("weights", "inputs", "expected")
        )
        ours, worst = expected_values(card, weights, inputs, with_gradients=True), 0.0
        for key, value in given.items():
            fits = key in ours and ours[key].shape == value.shape
            error = (ours[key] - value).abs().max().item() if fits else float("inf")
            worst = max(worst, error)
            if not error <= tolerance:
                bad += 1
                print(f"{name}: {key} differs by {error:.3g}", file=sys.stderr)
        print(f"{name}: {len(given)} values, largest difference {worst:.3g}")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--out", type=Path, help="folder to write to; made when missing")
    mode.add_argument("--check", type=Path, metavar="DIR", help="folder to check")
    parser.add_argument("--case", action="append", metavar="NAME", help="one of the cases; repeatable; default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-gradients", action="store_true", help="leave out all gradients and adamw")
    parser.add_argument("--tolerance", type=float, default=1e-9, help="absolute, for --check (default %(default)g)")
    sizes = {"batch": 5, "tokens": 12, "state-dim": 48, "steps": 8, "action-dim": 7, "negatives": 3}
    for flag, default in (sizes | {"hidden": 32, "heads": 4, "layers": 4}).items():
        parser.add_argument(f"--{flag}", type=int, default=default, help="default %(default)s")
    args = parser.parse_args()

    if args.check is not None:
        names = args.case or sorted(path.stem for path in args.check.glob("*.json"))
        if not names:
            parser.error(f"{args.check}: no CASE.json there")
        return 1 if check(args.check, names, args.tolerance) else 0

    cases = presets()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.case or cases:
        if name not in cases:
            parser.error(f"no case {name}; there are {', '.join(cases)}")
        rng = torch.Generator().manual_seed(args.seed * 1000 + list(cases).index(name))
        card = make_card(cases[name], args)
        write(args.out, name, card, *draw(card, cases[name]["mask"], not args.no_gradients, rng))
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
