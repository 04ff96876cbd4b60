"""What came out, as a page and a picture: `python examples/closed_loop/report.py results.json FOLDER` makes both anew."""

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


def page(results: Dict[str, Any]) -> str:
    """results.md: what was done, the table, the picture, what training and calibration said."""
    sizes, verdicts = results["sizes"], results["verdicts"]
    branches, held_out = results["branches"], results["calibration"]
    lines = [
        "# What came out",
        "",
        f"{sizes['trial_episodes']} episodes a task and arm, the same scenes and noise for every arm; brackets are 95 percent "
        f"intervals of the paired difference, tasks counted alike. The policy learnt from {results['experts']['episodes']} episodes, "
        f"the energy model was fine-tuned on {branches['states']} states with {sizes['candidates']} candidates each, of which "
        f"{branches['decisive']} are decisive, and calibrated on {held_out['states']} of other episodes ({held_out['decisive']}). "
        f"The stages took {sum(results['seconds'].values()):.0f} s.",
        "",
        table(results),
        "",
        "![Success by arm, and its paired difference from the policy alone](results.png)",
        "",
        f"One decision ahead, in the states that were branched: the policy's own candidate costs {branches['own_cost']:.3f}, "
        f"all on average {branches['mean_cost']:.3f}, the best {branches['best_cost']:.3f}.",
        "",
    ]
    for model in ("before", "after"):
        found, training = verdicts[model], results[model]
        best = "none" if found["best"] is None else found["best"]["rule"]
        lines += [
            f"- **{model}**: {training['updates']} updates, ended by {training['stopped']}. Verdict: "
            f"{found['verdict']['verdict'].replace('_', ' ')} (rule for `auto`: {best}). {found['verdict']['reasons'][0]}",
        ]
    return "\n".join(lines) + "\n"


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
    left.set_xlim(0, 1.02)
    left.set_xlabel("success; dots: tasks")
    left.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(tasks), frameon=False)
    for row, arm in zip(rows, arms):
        less = arm["less_policy"]
        right.plot([less["low"], less["high"]], [row, row], color="#34567a", linewidth=2)
        right.plot(less["value"], row, "o", color="#34567a")
    right.axvline(0, color="#888888", linewidth=1)
    right.set_xlabel("less the policy alone, paired, 95 percent")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write_report(results: Dict[str, Any], folder: Path) -> str:
    """results.json, results.md and results.png in `folder`; the page."""
    folder.mkdir(parents=True, exist_ok=True)
    text = page(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(text)
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
