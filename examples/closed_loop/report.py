"""What came out, as a table and a picture: `python examples/closed_loop/report.py results.json FOLDER` makes both anew."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Dict


def table(results: Dict[str, Any]) -> str:
    """Markdown: success by way of choosing, pooled and by task, and the paired differences."""
    tasks = results["sizes"]["tasks"]
    lines = [
        f"| N = {results['sizes']['samples']} | success | less policy alone | less mean of N | replaced | {' | '.join(tasks)} |",
        "| --- |" + " --- |" * (4 + len(tasks)),
    ]
    for arm in results["arms"]:
        by_task = " | ".join(f"{arm['by_task'][task]:.2f}" for task in tasks)
        differences = " | ".join(_difference(arm[name]) for name in ("less_policy", "less_mean"))
        lines.append(
            f"| {arm['arm']} | {arm['success']['value']:.3f} | {differences} | {arm['replaced']:.2f} | {by_task} |"
        )
    return "\n".join(lines)


def _difference(estimate: Dict[str, float]) -> str:
    if estimate["low"] == estimate["high"] == 0:
        return "0"
    return f"{estimate['value']:+.3f} [{estimate['low']:+.3f}, {estimate['high']:+.3f}]"


def draw(results: Dict[str, Any], path: Path) -> None:
    """Left: success, each task a dot. Right: paired difference from the policy alone, with its 95 percent interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    arms, tasks = results["arms"][::-1], results["sizes"]["tasks"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 0.42 * len(arms) + 1.6), sharey=True)
    rows = range(len(arms))
    left.barh(rows, [arm["success"]["value"] for arm in arms], color="#c9d6e8")
    for task in tasks:
        left.plot([arm["by_task"][task] for arm in arms], rows, "o", markersize=5, label=task)
    left.set_yticks(list(rows), [arm["arm"] for arm in arms])
    left.set_xlim(0, 1)
    left.set_xlabel("success; dots: tasks")
    left.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(tasks), frameon=False)
    for row, arm in zip(rows, arms):
        less = arm["less_policy"]
        right.plot([less["low"], less["high"]], [row, row], color="#34567a", linewidth=2)
        right.plot(less["value"], row, "o", color="#34567a")
    right.axvline(0, color="#888888", linewidth=1)
    right.set_xlabel("success less that of the policy alone, same scenes and noise; 95 percent")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write_report(results: Dict[str, Any], folder: Path) -> str:
    """results.json, results.md and results.png in `folder`; the table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = table(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(text + "\n")
    draw(results, folder / "results.png")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print(write_report(json.loads(options.results.read_text()), options.folder))


if __name__ == "__main__":
    main()
