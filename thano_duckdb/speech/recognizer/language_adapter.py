"""The layers that differ between the languages of one network: its adapters, and its head (Pratap et al. 2023, MMS)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import weight_files
from thano_duckdb.speech.libraries import one_sentence

LanguageModules = Mapping[str, nn.Module]
"""The layers of one language, by their names in the network."""
HEAD = "lm_head"


def language_modules(network: nn.Module) -> LanguageModules:
    """The layers of the language that a network has now."""
    return {
        name: module
        for name, module in network.named_modules()
        if name == HEAD or name.rpartition(".")[2] == "adapter_layer"
    }


def new_language_modules(network: Any, folder: Path, adapter: Path | None) -> LanguageModules:
    """The layers of a language of a checkpoint, in float32 and on the CPU.

    Args:
        network: the one that they are for, which may have the layers of another language; it is not changed.
        folder: the checkpoint.
        adapter: the file with the weights of the language; None where they are among those of the network.

    Raises:
        ModelError: a file is damaged, or belongs to another network.
    """
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2AttnAdapterLayer

    names = list(language_modules(network))
    weights, others = _read([adapter] if adapter else weight_files(folder), names)
    where = adapter or folder
    if others and adapter:
        raise ModelError(f"{where} does not belong to this network, which has no {others[0]}")
    if "lm_head.weight" not in weights:
        raise ModelError(f"{where} lacks lm_head.weight, the outputs of a language")
    config, n_outputs = network.config, len(weights["lm_head.weight"])
    new_adapter: Callable[[Any], nn.Module] = Wav2Vec2AttnAdapterLayer
    modules = {
        name: nn.Linear(config.hidden_size, n_outputs) if name == HEAD else new_adapter(config) for name in names
    }
    try:
        for name, module in modules.items():
            prefix = f"{name}."
            module.load_state_dict(
                {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            )
    except RuntimeError as error:  # weights are missing, or of other shapes
        raise ModelError(f"{where} cannot be loaded: {one_sentence(error)}") from error
    return modules


def _read(paths: Iterable[Path], modules: Iterable[str]) -> tuple[dict[str, Tensor], list[str]]:
    """The weights of some modules, and the names of the others in the same files."""
    from safetensors import SafetensorError, safe_open

    wanted = tuple(f"{name}." for name in modules)
    weights: dict[str, Tensor] = {}
    others = []
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118
                    if key.startswith(wanted):
                        weights[key] = file.get_tensor(key)
                    else:
                        others.append(key)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or was cut short ({error}); copy it again") from error
    return weights, others


def install(network: Any, modules: LanguageModules) -> None:
    """Give a network the layers of a language in place of those that it has."""
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, module)
    network.config.vocab_size = getattr(modules[HEAD], "out_features")  # noqa: B009


def write_adapter(network: nn.Module, path: Path) -> None:
    """Write the layers of the language of a network, as transformers' `load_adapter` reads them."""
    from safetensors.torch import save_file

    weights = {
        f"{name}.{key}": value.contiguous()
        for name, module in language_modules(network).items()
        for key, value in module.state_dict().items()
    }
    save_file(weights, path, metadata={"format": "pt"})
