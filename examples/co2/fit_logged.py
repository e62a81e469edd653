"""The same fit with a few lines for whence: its resolved settings and the metrics of each step are part of the record.

python fit_logged.py [the arguments of fit.py]
"""

from __future__ import annotations

import fit

import whence


def main() -> None:
    told = fit.arguments()
    settings = fit.settings_from(told)
    with whence.start(name="co2", config=settings, inputs=[told.data]) as run:
        says = fit.run(told, settings, on_step=run.log)
        run.log(says)
        run.output(told.out / "model.json")
        run.output(told.out / "fit.svg")


if __name__ == "__main__":
    main()
