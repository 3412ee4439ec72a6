"""Put the small model into the package: `python -m bundle.tiny_model RUN [RUN ..] --mean-with FOLDER`.

Each RUN is a folder that `bundle.gpu.train` wrote, in order, and FOLDER that of a model that FIT made of the last one
(`SELECT path FROM thano_models()`). What ships is the mean of the weights of these two, which makes fewer errors than
each of them (Wortsman et al., 2022, arXiv:2109.01903), with the curves of all runs in training.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from bundle.gpu.saved import COPIED, CURVE, WEIGHTS
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL
from thano_duckdb.models.bundled import MODEL_FOLDER
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_KEY


def main() -> None:
    """Write the model and the curve into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--mean-with", type=Path, required=True)
    arguments = parser.parse_args()
    runs: list[Path] = arguments.runs
    for name in COPIED:
        shutil.copyfile(runs[-1] / name, MODEL_FOLDER / name)
    first, second = (load_file(folder / WEIGHTS) for folder in (runs[-1], arguments.mean_with))
    mean = {name: ((weight.float() + second[name].float()) / 2).half() for name, weight in first.items()}
    save_file(mean, MODEL_FOLDER / WEIGHTS, metadata={"format": "pt"})
    (MODEL_FOLDER / WEIGHTS).chmod(0o644)
    config = json.loads((runs[-1] / "config.json").read_text(encoding="utf-8"))
    config[LANGUAGE_MODEL_KEY] = LANGUAGE_MODEL
    (MODEL_FOLDER / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    rows = []
    for number, run in enumerate(runs, 1):
        with (run / CURVE).open(newline="", encoding="utf-8") as file:
            rows += [{"run": number} | row for row in csv.DictReader(file)]
    with (MODEL_FOLDER / CURVE).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
