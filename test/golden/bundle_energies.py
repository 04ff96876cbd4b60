#!/usr/bin/env python3
"""Energies of a model bundle by PyTorch: bundle_energies.py BUNDLE INPUTS.safetensors OUT.safetensors

The card says what to build, `load_state_dict` takes the weights as they are (strict), float64. INPUTS hold hidden, actions and
where there is one pad_mask; OUT gets energies [B].
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from energy_model import WINDOW, build, energies


def golden_card(card: dict, steps: int) -> dict:
    """The card of golden vectors that says the same as an `energy.json`."""
    pool = card["pool"]
    if pool["kind"] == "windowed_max":
        assert pool["window"] == WINDOW
    kept = ("architecture", "activation", "state_dim", "hidden", "heads", "layers", "chunk", "layer_norm_eps", "action_norm")
    return {key: card[key] for key in kept if key in card} | {
        "act_dim": card["action_dim"],
        "energy": card["readout"]["kind"],
        "pool": "learned" if pool.get("learned") else pool["kind"],
        "shapes": {"H": steps},
    }


def main() -> None:
    bundle, inputs_file, out = map(Path, sys.argv[1:])
    x = {k: v.double() if v.is_floating_point() else v for k, v in load_file(inputs_file).items()}
    card = golden_card(json.loads((bundle / "energy.json").read_text()), x["actions"].shape[1])
    model = build(card).double().eval()
    weights = load_file(bundle / "weights.safetensors")
    model.load_state_dict({name: value.double() for name, value in weights.items()}, strict=True)
    with torch.no_grad():
        save_file({"energies": energies(model, card, x["hidden"], x["actions"], x.get("pad_mask"))}, out)


if __name__ == "__main__":
    main()
