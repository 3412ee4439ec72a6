"""Put a model made by BUILD into the package: `python -m bundle.tiny_model FOLDER [FOLDER ..]`.

Each FOLDER is a registered model (`SELECT path FROM thano_models()`): the stages of its training, in order. The last
one is shipped, in half precision, with the metrics of all epochs in training.csv. With `--mean-with FOLDER ..` the mean
of its weights and those is shipped, which often makes fewer errors than each of them (Wortsman et al., 2022,
arXiv:2109.01903).
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from thano_duckdb.models.built_in_models import LANGUAGE_MODEL
from thano_duckdb.models.bundled import MODEL_FOLDER
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_KEY

_COPIED = ("config.json", "vocab.json", "tokenizer_config.json", "preprocessor_config.json")
_LOGGED = ("epoch", "train_loss", "learning_rate", "audio_hours", "seconds")


def main() -> None:
    """Write the weights and the training log into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", type=Path, nargs="+")
    parser.add_argument("--mean-with", type=Path, nargs="+", default=[], help="stages before the last one")
    arguments = parser.parse_args()
    stages: list[Path] = arguments.stages
    MODEL_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        shutil.copyfile(stages[-1] / name, MODEL_FOLDER / name)
    config = json.loads((MODEL_FOLDER / "config.json").read_text(encoding="utf-8"))
    config[LANGUAGE_MODEL_KEY] = LANGUAGE_MODEL
    (MODEL_FOLDER / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    checkpoints = [load_file(stage / "model.safetensors") for stage in [stages[-1], *arguments.mean_with]]
    weights = {
        name: torch.stack([checkpoint[name].float() for checkpoint in checkpoints]).mean(0).to(torch.float16)
        for name in checkpoints[0]
    }
    save_file(weights, MODEL_FOLDER / "model.safetensors", metadata={"format": "pt"})
    (MODEL_FOLDER / "model.safetensors").chmod(0o644)
    with (MODEL_FOLDER / "training.csv").open("w", newline="", encoding="utf-8") as file:
        log = csv.writer(file)
        log.writerow(["stage", *_LOGGED])
        for number, stage in enumerate(stages, 1):
            for epoch in json.loads((stage / "thano.json").read_text(encoding="utf-8"))["lineage"]["metrics"]:
                log.writerow([number, *(epoch[name] for name in _LOGGED)])


if __name__ == "__main__":
    main()
