"""Put the small model into the package: `python -m bundle.tiny_model RUN [RUN ..]`.

Each RUN is a folder that `bundle.gpu.train` wrote, in order. The model of the last one is shipped, with the curves of
all in training.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

from bundle.gpu.saved import COPIED, CURVE
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL
from thano_duckdb.models.bundled import MODEL_FOLDER
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_KEY


def main() -> None:
    """Write the model and the curve into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    runs: list[Path] = parser.parse_args().runs
    MODEL_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in (*COPIED, "model.safetensors"):
        shutil.copyfile(runs[-1] / name, MODEL_FOLDER / name)
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
