"""A synthetic pick-and-carry task whose right action chunk depends on the context.

An arm (6 pose values and a gripper) goes to one object, closes, and carries it to a bin. The context is what a policy's
last hidden layer could hold: one token an object (pose relative to the arm, colour, whether the instruction means it),
one for the arm itself, and filler tokens that mean nothing; all pushed through one fixed random map and blurred. Which
way to go stands only in the token that the instruction means; the others are distractors of the same form.
"""

import numpy as np

D, S, H, A = 64, 24, 8, 7
POSE, COLOURS = 6, 4
REACH, STEP = 0.15, 0.08  # distance at which the arm slows down; distance covered by an action of 1
ARRIVED, LONGEST = 0.12, 40
BLUR, HAND_NOISE = 0.05, 0.04
FEATURES = 3 + POSE + 2 + COLOURS  # kind, pose, meant now, holding, colour


def random_map() -> np.ndarray:
    """[FEATURES, D]: the fixed map from features to token; part of the task, so never reseeded."""
    return np.random.default_rng(20240601).normal(size=(FEATURES, D)) * 0.9


def expert_rollout(rng: np.random.Generator, goals: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arm poses [T, 6], goal index [T] and actions [T, 7] of one episode, H actions of standing still at its end."""
    arm, stage = rng.uniform(-0.3, 0.3, POSE), 0
    poses, stages, actions = [], [], []
    for _ in range(LONGEST):
        gap = goals[stage] - arm
        if np.linalg.norm(gap) < ARRIVED:
            if stage == 1:
                break
            stage = 1
            gap = goals[stage] - arm
        move = np.clip(gap / REACH + rng.normal(scale=HAND_NOISE, size=POSE), -1, 1)
        poses.append(arm)
        stages.append(stage)
        actions.append(np.append(move, float(stage)))  # gripper: 0 open, 1 closed
        arm = arm + STEP * move
    rest = np.tile(np.append(np.zeros(POSE), 0.0), (H, 1))  # arrived: let go and stand still
    rest[:, :POSE] += rng.normal(scale=HAND_NOISE, size=(H, POSE))
    return np.array(poses), np.array(stages), np.concatenate([np.array(actions), rest])


def context_tokens(rng, to_token, arm, stage, goals, colours, distractors) -> tuple[np.ndarray, np.ndarray]:
    """hidden [S, D] and pad_mask [S] (True = ignore) of one moment; padding is loud, so that a lost mask shows."""
    rows = []

    def token(kind, pose, meant, colour):
        row = np.zeros(FEATURES)
        row[kind] = 1
        row[3 : 3 + POSE] = pose
        row[3 + POSE] = meant
        row[4 + POSE] = stage
        row[5 + POSE + colour] = 1
        rows.append(row)

    for index, goal in enumerate(goals):
        token(0, goal - arm, float(index == stage), colours[index])
    for pose, colour in distractors:
        token(0, pose - arm, 0.0, colour)
    token(1, arm, 0.0, 0)
    for _ in range(rng.integers(2, 14)):
        token(2, rng.normal(scale=0.5, size=POSE), 0.0, rng.integers(COLOURS))
    order = rng.permutation(len(rows))
    tokens = np.tanh(np.array(rows)[order] @ to_token)
    tokens += rng.normal(scale=BLUR, size=tokens.shape)
    hidden = rng.normal(scale=3.0, size=(S, D))
    hidden[: len(rows)] = tokens
    return hidden, np.arange(S) >= len(rows)


def sample_moments(seed: int, count: int, per_episode: int) -> dict[str, np.ndarray]:
    """`count` moments: hidden [M,S,D], pad_mask [M,S], actions [M,H,A] float32, task_id, episode_id, step [M] int64.

    The task is the colour that the instruction names. Every episode has poses of its own.
    """
    rng, to_token = np.random.default_rng(seed), random_map()
    out: dict[str, list] = {k: [] for k in ("hidden", "pad_mask", "actions", "task_id", "episode_id", "step")}
    episode = 0
    while len(out["step"]) < count:
        colours = rng.permutation(COLOURS)
        goals = [rng.uniform(-1, 1, POSE) for _ in range(2)]
        distractors = [(rng.uniform(-1, 1, POSE), rng.integers(COLOURS)) for _ in range(rng.integers(3, 9))]
        poses, stages, actions = expert_rollout(rng, goals)
        moments = rng.choice(len(poses), size=min(per_episode, len(poses), count - len(out["step"])), replace=False)
        for t in sorted(moments):
            hidden, mask = context_tokens(rng, to_token, poses[t], stages[t], goals, colours, distractors)
            values = (hidden, mask, actions[t : t + H], colours[0], episode, t)
            for key, value in zip(out, values):
                out[key].append(value)
        episode += 1
    dtypes = {"hidden": np.float32, "pad_mask": bool, "actions": np.float32}
    return {key: np.array(value, dtype=dtypes.get(key, np.int64)) for key, value in out.items()}


def flip_gripper(chunks: np.ndarray) -> np.ndarray:
    flipped = chunks.copy()
    flipped[..., -1] = 1 - flipped[..., -1]
    return flipped


def policy_samples(rng: np.random.Generator, chunks: np.ndarray, count: int) -> np.ndarray:
    """[M, count, H, A] of a noisy policy that at times goes for the wrong object, or grips at the wrong time."""
    moments = len(chunks)
    samples = np.repeat(chunks[:, None], count, axis=1)
    elsewhere = rng.random((moments, count)) < 0.2
    samples[elsewhere] = chunks[rng.integers(moments, size=elsewhere.sum())]
    samples = perturb(rng, samples, 0.25)
    wrong_grip = rng.random((moments, count)) < 0.05
    samples[wrong_grip] = flip_gripper(samples[wrong_grip])
    return samples.astype(np.float32)


def failed(chunks: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """[M, count] 1.0 where a sample, executed, ends further than 0.25 from where the expert does, or grips otherwise."""
    gap = STEP * (samples - chunks[:, None])[..., :POSE].sum(axis=-2)
    grips = (samples[..., -1] != chunks[:, None, :, -1]).any(axis=-1)
    return ((np.linalg.norm(gap, axis=-1) > 0.25) | grips).astype(np.float32)


def perturb(rng: np.random.Generator, chunks: np.ndarray, sigma: float) -> np.ndarray:
    """One random direction a chunk, the same for all its steps, on the pose dims; the gripper stays two-valued."""
    moved = chunks.copy()
    moved[..., :POSE] += sigma * rng.normal(size=(*chunks.shape[:-2], 1, POSE))
    return np.clip(moved, -1, 1)
