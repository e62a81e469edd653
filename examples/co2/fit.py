"""How fast does carbon dioxide rise over Mauna Loa? A trend and a seasonal cycle, fitted by gradient descent.

    python fit.py [--config fit.toml] [--data FILE] [--out FOLDER] [--lr RATE] [--seed N] [--steps N]

Reads monthly means, holds some months out to test on, fits the rest by least squares, and writes `model.json` and
`fit.svg`. Standard library only. It knows nothing of whence: that is the point of this example.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

DIVERGED = 1000.0
"""An error in ppm that no fit has."""

Step = Callable[[dict[str, float], int], None]
"""Told the metrics of each step of the descent."""


@dataclass(frozen=True)
class Settings:
    """What a fit depends on, the data aside."""

    degree: int
    """Of the polynomial trend."""
    harmonics: int
    """How many sine and cosine pairs make up the yearly cycle."""
    held_out: float
    """The fraction of months that are not fitted but tested on."""
    steps: int
    lr: float
    seed: int
    """Chooses the months that are held out."""


@dataclass(frozen=True)
class Month:
    when: float
    """Decimal year, the middle of the month."""
    ppm: float


@dataclass(frozen=True)
class Model:
    """`start` and `end` bound the years that were fitted; `weights` belong to `features`, in their order."""

    settings: Settings
    start: float
    end: float
    mean: float
    weights: list[float]

    def ppm(self, when: float) -> float:
        return self.mean + dot(self.weights, self.features(when))

    def trend(self, when: float) -> float:
        """Without the yearly cycle."""
        degree = self.settings.degree
        return self.mean + dot(self.weights[: degree + 1], self.features(when)[: degree + 1])

    def features(self, when: float) -> list[float]:
        return features(self.settings, self.start, self.end, when)


def features(settings: Settings, start: float, end: float, when: float) -> list[float]:
    """Legendre polynomials over the years, then sines and cosines of the year; all near unit variance, so that one
    learning rate does for all."""
    x = 2 * (when - start) / (end - start) - 1
    legendre = [1.0, x]
    for n in range(1, settings.degree):
        legendre.append(((2 * n + 1) * x * legendre[n] - n * legendre[n - 1]) / (n + 1))
    row = [math.sqrt(2 * n + 1) * p for n, p in enumerate(legendre[: settings.degree + 1])]
    for k in range(1, settings.harmonics + 1):
        angle = 2 * math.pi * k * when
        row += [math.sqrt(2) * math.sin(angle), math.sqrt(2) * math.cos(angle)]
    return row


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def read(path: Path) -> list[Month]:
    with path.open(newline="") as file:
        return [Month(float(row["decimal_date"]), float(row["co2_ppm"])) for row in csv.DictReader(file)]


def split(months: Sequence[Month], settings: Settings) -> tuple[list[Month], list[Month]]:
    """Months to fit and months to test on."""
    chosen = set(random.Random(settings.seed).sample(range(len(months)), round(settings.held_out * len(months))))
    fitted = [m for i, m in enumerate(months) if i not in chosen]
    return fitted, [m for i, m in enumerate(months) if i in chosen]


def rmse(model: Model, months: Sequence[Month]) -> float:
    """Root of the mean squared error, in ppm."""
    return math.sqrt(math.fsum((model.ppm(m.when) - m.ppm) ** 2 for m in months) / len(months))


def fit(fitted: Sequence[Month], tested: Sequence[Month], settings: Settings, on_step: Step) -> Model:
    """Full-batch gradient descent on half the mean squared error."""
    start, end = fitted[0].when, fitted[-1].when
    mean = math.fsum(m.ppm for m in fitted) / len(fitted)
    rows = [features(settings, start, end, m.when) for m in fitted]
    model = Model(settings, start, end, mean, [0.0] * len(rows[0]))
    for step in range(1, settings.steps + 1):
        errors = [dot(model.weights, row) + mean - m.ppm for row, m in zip(rows, fitted, strict=True)]
        slopes = [dot(errors, column) / len(rows) for column in zip(*rows, strict=True)]
        weights = [w - settings.lr * slope for w, slope in zip(model.weights, slopes, strict=True)]
        model = Model(settings, start, end, mean, weights)
        metrics = {"rmse_fitted": rmse(model, fitted), "rmse_held_out": rmse(model, tested)}
        on_step(metrics, step)
        if metrics["rmse_fitted"] > DIVERGED:
            raise ArithmeticError(f"diverged at step {step}: the learning rate {settings.lr} is too large")
    return model


def summary(model: Model, fitted: Sequence[Month], tested: Sequence[Month]) -> dict[str, float]:
    """What the fit says, in ppm and ppm a year."""
    cycle = [model.ppm(model.end + k / 365) - model.trend(model.end + k / 365) for k in range(-365, 1)]
    return {
        "rise_first_year": model.trend(model.start + 1) - model.trend(model.start),
        "rise_last_year": model.trend(model.end) - model.trend(model.end - 1),
        "cycle_peak_to_peak": max(cycle) - min(cycle),
        "rmse_fitted": rmse(model, fitted),
        "rmse_held_out": rmse(model, tested),
    }


def plot(model: Model, fitted: Sequence[Month], tested: Sequence[Month]) -> str:
    """Measurements, fit and trend as an SVG picture."""
    width, height, margin = 860, 420, 50
    months = [*fitted, *tested]
    low, high = min(m.ppm for m in months) - 5, max(m.ppm for m in months) + 5

    def x(when: float) -> float:
        return margin + (when - model.start) / (model.end - model.start) * (width - 2 * margin)

    def y(ppm: float) -> float:
        return height - margin - (ppm - low) / (high - low) * (height - 2 * margin)

    def dots(chosen: Sequence[Month], colour: str) -> str:
        return "".join(f'<circle cx="{x(m.when):.1f}" cy="{y(m.ppm):.1f}" r="1.6" fill="{colour}"/>' for m in chosen)

    def line(value: Callable[[float], float], colour: str) -> str:
        count = 1200
        years = [model.start + (model.end - model.start) * i / count for i in range(count + 1)]
        points = " ".join(f"{x(t):.1f},{y(value(t)):.1f}" for t in years)
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1"/>'

    decades = range(math.ceil(model.start / 10) * 10, int(model.end) + 1, 10)
    levels = range(math.ceil(low / 20) * 20, int(high) + 1, 20)
    marks = [f'<text x="{x(t):.0f}" y="{height - margin + 20}" text-anchor="middle">{t}</text>' for t in decades]
    marks += [f'<text x="{margin - 8}" y="{y(v) + 4:.0f}" text-anchor="end">{v}</text>' for v in levels]
    body = [
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{margin}" y="30">CO2 at Mauna Loa, ppm: measured, held out (red), fitted, trend</text>',
        *marks,
        line(model.ppm, "#7fa7d0"),
        line(model.trend, "#1b4a7a"),
        dots(fitted, "#444444"),
        dots(tested, "#c03030"),
    ]
    size = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *body, "</svg>", ""])


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, over the configuration file."""
    parser = argparse.ArgumentParser(description="Fit trend and seasons of CO2 at Mauna Loa.")
    parser.add_argument("--config", type=Path, default=HERE / "fit.toml")
    parser.add_argument("--data", type=Path, default=HERE / "co2_monthly.csv")
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    return parser.parse_args(argv)


def settings_from(told: argparse.Namespace) -> Settings:
    """The file's settings, those named on the command line replaced."""
    values = tomllib.loads(told.config.read_text("utf-8"))
    values |= {name: value for name in ("lr", "seed", "steps") if (value := getattr(told, name)) is not None}
    return Settings(**values)


def run(told: argparse.Namespace, settings: Settings, on_step: Step) -> dict[str, float]:
    """Read, fit, write; what the fit says."""
    fitted, tested = split(read(told.data), settings)
    model = fit(fitted, tested, settings, on_step)
    says = summary(model, fitted, tested)
    told.out.mkdir(parents=True, exist_ok=True)
    document = {**says, "start": model.start, "end": model.end, "mean": model.mean, "weights": model.weights}
    (told.out / "model.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    (told.out / "fit.svg").write_text(plot(model, fitted, tested), "utf-8")
    return says


def print_step(metrics: dict[str, float], step: int) -> None:
    if step == 1 or step % 20 == 0:
        print(f"step {step:4d}  fitted {metrics['rmse_fitted']:8.4f} ppm  held out {metrics['rmse_held_out']:8.4f} ppm")


def main() -> None:
    told = arguments()
    for name, value in run(told, settings_from(told), print_step).items():
        print(f"{name} = {value:.3f}")


if __name__ == "__main__":
    main()
