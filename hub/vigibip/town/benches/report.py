"""What a bench hands back: figures, the targets that some must keep, whether they do."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

Figure = float | int | str | None
"""None is "not measured": it is printed as such and keeps no target."""

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Report:
    """One bench's result. Every target is a ceiling: the figure of the same key is at most it.

    A key ends in its unit (`_ms`, `_mb`, `_s`, `_share`); a plain count needs none.
    """

    name: str
    figures: dict[str, Figure]
    targets: dict[str, float | int] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """The keys whose target does not hold; what was not measured does not."""
        return [
            key
            for key, ceiling in self.targets.items()
            if not _holds(self.figures.get(key), ceiling)
        ]

    @property
    def holds(self) -> bool:
        return not self.missed

    def to_json(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "figures": self.figures,
                "targets": self.targets,
                "holds": self.holds,
            },
            indent=2,
        )

    def to_text(self) -> str:
        """Return the report as lines for people, targets beside their figures."""
        width = max((len(key) for key in self.figures), default=0)
        missed = set(self.missed)
        lines = [self.name]
        for key, figure in self.figures.items():
            line = f"  {key:<{width}}  {_text(figure)}"
            if key in self.targets:
                verdict = "MISSED" if key in missed else "holds"
                line += f"   (at most {_text(self.targets[key])}: {verdict})"
            lines.append(line)
        lines.append("  every target holds" if self.holds else "  a target is missed")
        return "\n".join(lines)


def machine_figures() -> dict[str, Figure]:
    """Return what a reader must know of the machine to judge a timing."""
    load_1, load_5, load_15 = os.getloadavg()
    return {
        "machine_cores": os.cpu_count(),
        "machine_load_1_5_15_min": f"{load_1:.2f} {load_5:.2f} {load_15:.2f}",
        "machine_python": platform.python_version(),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of `values` do not exceed (nearest rank).

    Raises ValueError when there are none.
    """
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def median_figures(runs: Sequence[dict[str, float]]) -> dict[str, Figure]:
    """Return each key's median over the runs, to a hundredth; every run holds the same keys."""
    return {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}


def _holds(figure: Figure, ceiling: float) -> bool:
    return isinstance(figure, (int, float)) and figure <= ceiling


def _text(figure: Figure) -> str:
    if figure is None:
        return NOT_MEASURED
    return f"{figure:g}" if isinstance(figure, float) else str(figure)
