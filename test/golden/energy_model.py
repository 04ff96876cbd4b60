"""The energy model family in PyTorch, as training code writes it.

The parameter names are those of the checkpoints, so `load_state_dict` takes a checkpoint as it is. Symbols: B batch,
S context tokens, D state width, H chunk steps, A action dims, h hidden width.
"""

import torch
from torch import nn
from torch.nn import functional as F

WINDOW = 3
ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU}
READOUTS = {
    "sigmoid": lambda r: 2.0 * torch.sigmoid(0.5 * r) + 0.1,
    "softplus": lambda r: F.softplus(r) + 1e-4,
    "linear": lambda r: r,
    "half_square": lambda r: 0.5 * r * r + 1e-6,
}


class Block(nn.Module):
    """x + act(Linear(LN(x)))."""

    def __init__(self, width: int, activation: str):
        super().__init__()
        self.ffn = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), ACTIVATIONS[activation]())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.ffn(x)


class MLPResNet(nn.Module):
    """fc2(LN2(blocks(act(fc1(LN1(x)))))), or without LN1."""

    def __init__(self, blocks: int, din: int, hidden: int, dout: int, activation: str, input_norm: bool = True):
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(din) if input_norm else nn.Identity()
        self.fc1 = nn.Linear(din, hidden)
        self.act = ACTIVATIONS[activation]()
        self.mlp_resnet_blocks = nn.ModuleList(Block(hidden, activation) for _ in range(blocks))
        self.layer_norm2 = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, dout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.fc1(self.layer_norm1(x)))
        for block in self.mlp_resnet_blocks:
            x = block(x)
        return self.fc2(self.layer_norm2(x))


def positional_encoding(steps: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """[H, h]: P[t, 2i] = sin(t / 10000^(2i/h)), P[t, 2i+1] = cos(same).

    Made in float32 and widened, as training code does; the rounding moves energies by about 1e-8.
    """
    t = torch.arange(steps, dtype=torch.float32)[:, None]
    angle = t / 10000.0 ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(steps, -1)[:, :width].to(like)


class CrossAttentionEnergy(nn.Module):
    """Action steps attend to context tokens; no residual around the attention.

    `twice_differentiable` keeps the attention in plain ops: the fused kernels have no second derivative.
    """

    def __init__(self, card: dict, twice_differentiable: bool = False, dropout: float = 0.0):
        super().__init__()
        h, activation = card["hidden"], card["activation"]
        self.cross = nn.MultiheadAttention(h, card["heads"], batch_first=True)
        self.state_linear = MLPResNet(1, card["state_dim"], h, h, activation)
        input_norm = card.get("action_norm", "layer_norm") == "layer_norm"
        self.action_linear = MLPResNet(1, card["act_dim"], h, h, activation, input_norm)
        self.prediction_head = MLPResNet(2, h, h, 1, activation)
        self.dropout = nn.Dropout(dropout)
        self.twice_differentiable = twice_differentiable

    def forward(self, hidden: torch.Tensor, actions: torch.Tensor, pad_mask: torch.Tensor | None = None):
        """hidden [B, S, D], actions [B, H, A], pad_mask [B, S] (True = ignore) -> raw steps [B, H]."""
        c = self.state_linear(hidden)  # [B, S, h]
        q = self.action_linear(actions)  # [B, H, h]
        q = self.dropout(q + positional_encoding(q.shape[1], q.shape[2], q))
        z, _ = self.cross(q, c, c, key_padding_mask=pad_mask, need_weights=self.twice_differentiable)
        return self.prediction_head(z).squeeze(-1)


class GlobalContextEnergy(nn.Module):
    """One context vector: x_t = [proj_hidden(c), SiLU(action_proj(a_t)), pos_emb[t]], r_t = MLPResNet(x_t)."""

    def __init__(self, card: dict, twice_differentiable: bool = False, dropout: float = 0.0):
        super().__init__()
        del twice_differentiable, dropout  # nothing here is fused, and no dropout belongs to this model
        h = card["hidden"]
        self.action_proj = nn.Linear(card["act_dim"], h)
        self.proj_hidden = nn.Linear(card["state_dim"], h)
        self.pos_emb = nn.Embedding(card["chunk"], h)
        self.model = MLPResNet(card["layers"], 3 * h, h, 1, card["activation"])

    def forward(self, hidden: torch.Tensor, actions: torch.Tensor, pad_mask: torch.Tensor | None = None):
        """hidden [B, D], actions [B, H, A] -> raw steps [B, H]; there is no mask."""
        assert pad_mask is None
        batch, steps = actions.shape[:2]
        c = self.proj_hidden(hidden)[:, None].expand(batch, steps, -1)
        a = F.silu(self.action_proj(actions))
        p = self.pos_emb.weight[None].expand(batch, steps, -1)
        return self.model(torch.cat([c, a, p], dim=-1)).squeeze(-1)


ARCHITECTURES = {"cross_attention": CrossAttentionEnergy, "global_context": GlobalContextEnergy}


def build(card: dict, **options) -> nn.Module:
    """The model that a card (the `CASE.json` beside golden vectors) describes, freshly initialised."""
    model = ARCHITECTURES[card["architecture"]](card, **options)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = card.get("layer_norm_eps", module.eps)
    if card.get("pool") == "learned":
        model.step_weights = nn.Parameter(torch.zeros(card["shapes"]["H"]))
    return model


def pooled(model, card, steps) -> torch.Tensor:
    """Per-step values [..., H] to [...]: their mean, by learned weights, or the highest mean of WINDOW steps in a row."""
    pool = card.get("pool", "mean")
    if pool == "learned":
        return (steps * torch.softmax(model.step_weights, 0)).sum(-1)
    if pool == "windowed_max":
        return steps.unfold(-1, min(WINDOW, steps.shape[-1]), 1).mean(-1).amax(-1)
    return steps.mean(-1)


def energies(model, card, hidden, actions, pad_mask=None) -> torch.Tensor:
    """[B]: the readout, pooled over steps."""
    return pooled(model, card, READOUTS[card["energy"]](model(hidden, actions, pad_mask)))


def energy_matrix(model, card, hidden, actions, pad_mask=None) -> torch.Tensor:
    """[B, B]: E[i, j] = E(context i, action j), by replicating both sides, as the training code does."""
    b = actions.shape[0]
    mask = None if pad_mask is None else pad_mask.repeat_interleave(b, 0)
    tiled = actions.repeat(b, *[1] * (actions.dim() - 1))
    return energies(model, card, hidden.repeat_interleave(b, 0), tiled, mask).view(b, b)


def swap_infonce(matrix: torch.Tensor, tau: float) -> torch.Tensor:
    """CE(-E / tau, arange(B))."""
    return F.cross_entropy(-matrix / tau, torch.arange(matrix.shape[0], device=matrix.device))


def off_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    return matrix[~torch.eye(matrix.shape[0], dtype=torch.bool, device=matrix.device)]
