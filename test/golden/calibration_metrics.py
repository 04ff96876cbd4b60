"""Every metric of src/calibration/metrics, written a second time with NumPy, SciPy and scikit-learn.

Reads the golden energy matrices in test/golden/data and a seeded synthetic case, and writes inputs and results to
test/golden/calibration_metrics.json, against which test/unit/calibration/metrics.test.ts holds the TypeScript.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    python test/golden/calibration_metrics.py
"""

import json
import struct
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import beta, binomtest, gaussian_kde, multivariate_normal, rankdata, spearmanr, t
from sklearn.metrics import log_loss, roc_auc_score

HERE = Path(__file__).parent
BINS = 15


def safetensors(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    kinds = {"F32": "<f4", "F64": "<f8", "BOOL": "?"}
    return {
        name: np.frombuffer(data[8 + size :][slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


def ece(confidence: np.ndarray, correct: np.ndarray) -> float:
    edges = np.linspace(0, 1, BINS + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def groups(scores: np.ndarray, own: np.ndarray, usable: np.ndarray, tau: float) -> dict:
    """InfoNCE, ranks and reliability of candidate groups [n, B]; swap AUROC and spreads."""
    n, width = scores.shape
    rows = np.arange(n)
    logits = np.where(usable, -scores / tau, -np.inf)
    p = softmax(logits, axis=1)
    expert = scores[rows, own]
    ranks = np.array([rankdata(scores[i][usable[i]])[usable[i][: own[i]].sum()] for i in rows])
    negative = usable.copy()
    negative[rows, own] = False
    labels = np.concatenate([np.zeros(n), np.ones(negative.sum())])
    values = np.concatenate([expert, scores[negative]])
    lowest = np.where(usable, scores, np.inf).min(axis=1)
    ties = ((scores == lowest[:, None]) & usable).sum(axis=1)
    confidence, correct = p.max(axis=1), (expert == lowest) / ties  # a tie is won by lot

    def loss(tau_):
        return -log_softmax(np.where(usable, -scores / tau_, -np.inf), axis=1)[rows, own].mean()

    def fit():
        best = minimize_scalar(
            lambda t: loss(np.exp(t)), bounds=(-12, 12), method="bounded", options={"xatol": 1e-12}
        )
        return float(np.exp(best.x))

    return {
        "loss": float(log_loss(own, p, labels=np.arange(width))),
        "chance": float(np.log(usable.sum(axis=1)).mean()),
        "fitted_tau": fit(),
        "top1": float((ranks <= 1).mean()),
        "top5": float((ranks <= 5).mean()),
        "mrr": float((1 / ranks).mean()),
        "ece": float(ece(confidence, correct)),
        "positive_energy": float(expert.mean()),
        "negative_energy": float(scores[negative].mean()),
        "positive_spread": float(expert.std()),
        "negative_spread": float(scores[negative].std()),
        "swap_auroc": float(roc_auc_score(labels, values)),
        "swap_win_rate": float(
            np.mean([
                np.mean((scores[i][negative[i]] > expert[i]) + 0.5 * (scores[i][negative[i]] == expert[i])) for i in rows
            ])
        ),
        "margin_quantiles": np.quantile(
            np.array([scores[i][negative[i]].min() for i in rows]) - expert, [0.5, 0.75, 0.9, 0.95, 0.99]
        ).tolist(),
    }


def noise(energies: np.ndarray) -> dict:
    size = np.arange(energies.shape[1])
    return {
        "spearman": float(np.mean([spearmanr(row, size).statistic for row in energies])),
        "violations": float((np.diff(energies, axis=1) <= 0).mean()),
    }


def psi(reference: np.ndarray, live: np.ndarray) -> float:
    edges = np.concatenate([[-np.inf], np.quantile(reference, np.arange(1, 10) / 10), [np.inf]])
    # bins are (low, high]: NumPy's are [low, high), so count on the negated axis
    shares = [np.histogram(-values, -edges[::-1])[0][::-1] / len(values) for values in (reference, live)]
    p, q = (np.maximum(share, 1e-4) for share in shares)
    return float(((q - p) * np.log(q / p)).sum())


def p_values(experts: np.ndarray, energies: np.ndarray) -> list[float]:
    return [float((1 + (experts >= e).sum()) / (len(experts) + 1)) for e in energies]


def distributions() -> dict:
    """Quantiles behind the intervals, and Clopper-Pearson as SciPy has it."""
    betas = [(0.025, 59, 1), (0.975, 3, 98), (0.5, 0.5, 0.5), (0.95, 0.2, 1e4), (0.025, 4000, 12.5), (0.01, 2, 2)]
    students = [(0.975, 1), (0.975, 2.5), (0.975, 9), (0.95, 29), (0.995, 200), (0.3, 4)]
    exact = [(0, 10), (10, 10), (3, 40), (990, 1000), (37, 80)]
    intervals = [binomtest(k, n).proportion_ci(method="exact") for k, n in exact]
    return {
        "beta": [{"level": q, "a": a, "b": b, "expected": float(beta.ppf(q, a, b))} for q, a, b in betas],
        "student": [{"level": q, "degrees": d, "expected": float(t.ppf(q, d))} for q, d in students],
        "exact": [
            {"hits": k, "size": n, "low": float(ci.low), "high": float(ci.high)} for (k, n), ci in zip(exact, intervals)
        ],
    }


def density(chunks: np.ndarray, queries: np.ndarray) -> dict:
    """Both densities of experts' chunks, as SciPy has them."""
    return {
        "gaussian": multivariate_normal(chunks.mean(0), np.cov(chunks.T)).logpdf(queries).tolist(),
        "kde": gaussian_kde(chunks.T, bw_method=0.3).logpdf(queries.T).tolist(),
    }


def interval(values: np.ndarray, clusters: np.ndarray) -> dict:
    """Cluster jackknife of a mean (CR3), with t at the effective number of clusters less 1."""
    ids, sizes = np.unique(clusters, return_counts=True)
    without = np.array([values[clusters != i].mean() for i in ids])
    variance = (len(ids) - 1) / len(ids) * ((without - without.mean()) ** 2).sum()
    half = float(t.ppf(0.975, sizes.sum() ** 2 / (sizes**2).sum() - 1) * np.sqrt(variance))
    return {"value": float(values.mean()), "low": float(values.mean() - half), "high": float(values.mean() + half)}


def main() -> None:
    rng = np.random.default_rng(20)
    n, width = 96, 12
    own = rng.integers(0, width, n)
    scores = rng.normal(1.0, 0.4, (n, width)).round(3)  # rounded: ties occur
    scores[np.arange(n), own] -= 0.5
    usable = rng.random((n, width)) > 0.15
    usable[np.arange(n), own] = True
    usable[:, 0] = True
    usable[:, 1] = True
    ladder = (scores[np.arange(n), own][:, None] + np.cumsum(rng.normal(0.1, 0.15, (n, 5)), axis=1)).round(3)
    live = rng.normal(0.6, 0.4, 60).round(3)
    experts = scores[np.arange(n), own]
    chunks = (rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6))).astype(np.float32).astype(float)
    queries = (rng.normal(size=(5, 6)) * 2).astype(np.float32).astype(float)
    cases = [
        {
            "name": "synthetic",
            "tau": 0.3,
            "width": width,
            "scores": scores.ravel().tolist(),
            "own": own.tolist(),
            "usable": usable.ravel().astype(int).tolist(),
            "expected": groups(scores, own, usable, 0.3),
        }
    ]
    for path in sorted((HERE / "data").glob("*.expected.safetensors")):
        name = path.name.removesuffix(".expected.safetensors")
        matrix = safetensors(path)["matrix"]
        tau = json.loads((HERE / "data" / f"{name}.json").read_text())["tau"]
        size = len(matrix)
        cases.append(
            {
                "name": name,
                "tau": tau,
                "width": size,
                "scores": matrix.ravel().tolist(),
                "own": list(range(size)),
                "usable": [1] * size * size,
                "expected": groups(matrix, np.arange(size), np.ones((size, size), bool), tau),
            }
        )
    result = {
        "groups": cases,
        "noise": {"levels": 5, "energies": ladder.ravel().tolist(), "expected": noise(ladder)},
        "psi": {"reference": experts.tolist(), "live": live.tolist(), "expected": psi(experts, live)},
        "distributions": distributions(),
        "density": {
            "chunks": chunks.ravel().tolist(),
            "queries": queries.ravel().tolist(),
            "size": chunks.shape[1],
            "expected": density(chunks, queries),
        },
        "interval": {
            "values": experts.tolist(),
            "clusters": (np.arange(n) ** 2 // 512).tolist(),
            "expected": interval(experts, np.arange(n) ** 2 // 512),
        },
        "p_values": {"experts": experts.tolist(), "energies": live.tolist(), "expected": p_values(experts, live)},
    }
    (HERE / "calibration_metrics.json").write_text(json.dumps(result, indent=None) + "\n")


if __name__ == "__main__":
    main()
