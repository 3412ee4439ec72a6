"""A checkpoint as a network of OpenVINO, written once into the cache of the user, and checked against torch.

    <cache>/openvino/<key>/network.xml, network.bin      the network
    <cache>/openvino/<key>/first_layer.safetensors       what the normalisation over a clip is computed from, if any
    <cache>/openvino/<key>/not_supported.txt             instead of them: why OpenVINO cannot run it
    <cache>/openvino/<key>/files.json                    the sizes and checksums of the others

Its inputs are the samples of one clip, or of a window of it, and the mean and the variance of each channel of the first
convolution over the whole clip where the network normalises by them. Its output are the logits of each frame. A clip
alone needs neither padding nor a mask.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from thano_duckdb.errors import Cancelled, OpenVinoError, ThanoError
from thano_duckdb.models.folder_cache import FolderCache
from thano_duckdb.speech.device import is_out_of_memory
from thano_duckdb.speech.libraries import one_sentence, quiet_transformers
from thano_duckdb.speech.recognizer.acoustic_model import fold_weight_norms
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint, fingerprint
from thano_duckdb.speech.recognizer.features import Features, FirstConvolution, features
from thano_duckdb.speech.recognizer.padding_invariance import PaddingInvariance, channel_statistics, normalizing_by
from thano_duckdb.speech.threads import is_exiting

from .calibration_clips import calibration_clips
from .quantization import has_nncf, quantize
from .runtime import Network, is_forked, openvino, read

VERSION = 3
"""Of what this module writes; part of the key."""
MAX_DIFFERENCE = 1e-3
"""Between the logits of torch and of OpenVINO in float32, relative to the largest."""
MAX_INT8_ERROR = 0.5
"""Of the logits in 8-bit integers: the root of their squared errors, relative to their deviation from the mean."""
N_CHECKED = 3
"""Clips that are compared in 8-bit integers: the error is much the same in all."""
NO_SPACE = "there is no space for the network"
_PACKAGES = ("openvino", "nncf", "torch", "transformers")
_NETWORK, _FIRST_LAYER, _NOT_SUPPORTED = "network.xml", "first_layer.safetensors", "not_supported.txt"
_FILES = "files.json"
_BLOCK_BYTES = 2**20

Inputs = dict[str, NDArray[np.float32]]


class Export:
    """The files of a network for OpenVINO.

    Attributes:
        network: the path for `read`.
        first: the convolution whose channels are normalised over the clip; None if there is none.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is in a folder.

        Raises:
            OpenVinoError: the folder says that OpenVINO cannot run the network.
        """
        if (reason := folder / _NOT_SUPPORTED).is_file():
            raise OpenVinoError(reason.read_text(encoding="utf-8"))
        self.network = folder / _NETWORK
        self.first = _read_first_layer(folder / _FIRST_LAYER)

    def inputs(self, clip: Features) -> Inputs:
        """Those of the network for a clip, or for a window of it."""
        samples = {"samples": clip.samples[None]}
        if self.first is None:
            return samples
        mean, variance = channel_statistics(self.first, [clip.moments])
        return {**samples, "mean": mean.numpy(), "variance": variance.numpy()}


def export_of(checkpoint: CtcCheckpoint, *, int8: bool) -> Export:
    """The network of a checkpoint, which is written if it is not in the cache yet: that takes some seconds.

    Args:
        checkpoint: of one language, that reads the waveform.
        int8: whether its products are in 8-bit integers: minutes for a large network.

    Raises:
        OpenVinoError: OpenVINO cannot run it or be imported, or there is no space for it.
        ModelError: the checkpoint cannot be loaded.
        Cancelled: Python exits.
    """
    if reason := refusal(checkpoint, int8=int8):
        raise OpenVinoError(reason)
    exports, key = FolderCache("openvino"), _key(checkpoint, int8=int8)
    folder = exports.find(key, _is_complete)
    if folder is None:
        n_bytes = sum(path.stat().st_size for path in checkpoint.folder.glob("*.safetensors"))
        try:
            folder = exports.create(
                key,
                lambda folder: _write(checkpoint, folder, int8=int8),
                n_bytes=n_bytes,
                is_complete=_is_complete,
                gives_up=is_exiting.is_set,
            )
        except filelock.Timeout:
            if is_exiting.is_set():
                raise Cancelled("Python exits") from None
            raise OpenVinoError("another process has been writing the same network for OpenVINO too long") from None
        except MemoryError as error:
            raise OpenVinoError("there is not enough memory to write the network for OpenVINO") from error
        except OSError as error:
            raise OpenVinoError(
                f"the network cannot be written for OpenVINO to {exports.folder}: {error.strerror or error}; set "
                "XDG_CACHE_HOME to a folder with space"
            ) from error
    return Export(folder)


def is_written(checkpoint: CtcCheckpoint, *, int8: bool) -> bool:
    """Whether `export_of` need not write anything: it is in the cache, or is known not to work."""
    folder = FolderCache("openvino").folder / _key(checkpoint, int8=int8)
    with contextlib.suppress(OSError):  # a folder of somebody else: writing it says so
        if (folder / _FILES).is_file():
            return True
    return refusal(checkpoint, int8=int8) is not None


def refusal(checkpoint: CtcCheckpoint, *, int8: bool) -> str | None:
    """Why OpenVINO cannot run the network of a checkpoint, as far as that is known before it is tried."""
    if checkpoint.log_mel or checkpoint.language is not None:
        what = "log-mel features" if checkpoint.log_mel else "adapters for its languages"
        return f"OpenVINO runs only networks that read the waveform, without {what}"
    if is_forked():
        return "OpenVINO cannot compute in a process forked from one in which it did; start processes by 'spawn'"
    try:
        openvino()
    except Exception as error:  # noqa: BLE001 - a broken installation: anything
        return f"OpenVINO cannot be imported: {one_sentence(error)}"
    if int8 and not has_nncf():
        return "precision 'int8' with OpenVINO needs NNCF: pip install 'thano_duckdb[openvino]'"
    folder = FolderCache("openvino").folder / _key(checkpoint, int8=int8)
    with contextlib.suppress(OSError):
        if (folder / _NOT_SUPPORTED).is_file() and _is_complete(folder):
            return (folder / _NOT_SUPPORTED).read_text(encoding="utf-8")
    return None


def _key(checkpoint: CtcCheckpoint, *, int8: bool) -> str:
    versions = [f"{name} {_version(name)}" for name in _PACKAGES]
    parts = (fingerprint(checkpoint.folder), *versions, f"int8 {int8}", f"version {VERSION}")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


class _Logits(nn.Module):
    """A network of transformers as a function of its inputs."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, samples: Tensor, mean: Tensor | None = None, variance: Tensor | None = None) -> Tensor:
        """Samples (1, n) and statistics (1, channels) to logits (1, frames, labels)."""
        statistics = None if mean is None or variance is None else (mean, variance)
        with normalizing_by(statistics):
            logits: Tensor = self.network(samples).logits
        return logits


def _is_complete(folder: Path) -> bool:
    """Whether the files of an export are those that were written."""
    path = folder / _FILES
    return path.is_file() and path.read_bytes() == _listed(folder).encode()  # a damaged file is no text


def _listed(folder: Path) -> str:
    """The content of `files.json`."""
    paths = sorted(path for path in folder.iterdir() if path.name != _FILES)
    return json.dumps({path.name: [path.stat().st_size, _checksum(path)] for path in paths})


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _write(checkpoint: CtcCheckpoint, folder: Path, *, int8: bool) -> None:
    """Write the files of an export, or why there are none.

    Raises:
        OSError, MemoryError: it may succeed another time.
    """
    _write_network(checkpoint, folder, int8=int8)
    (folder / _FILES).write_text(_listed(folder), encoding="utf-8")


def _write_network(checkpoint: CtcCheckpoint, folder: Path, *, int8: bool) -> None:
    network = checkpoint.load_network().eval()
    fold_weight_norms(network)
    invariance = PaddingInvariance(network)
    if invariance.normalized is not None:
        _write_first_layer(invariance.normalized, folder / _FIRST_LAYER)
    export, logits = Export(folder), _Logits(network).eval()
    convolution = None if export.first is None else FirstConvolution.of(export.first)
    clips = [
        export.inputs(features(clip, normalize=checkpoint.normalize, convolution=convolution))
        for clip in calibration_clips()
    ]
    try:
        _save(_converted(logits, clips[0]), export.network)
        _check(export, logits, checkpoint, clips)
        if int8:
            floating = folder / "float32.xml"
            for suffix in (".xml", ".bin"):
                export.network.with_suffix(suffix).rename(floating.with_suffix(suffix))
            quantize(floating, clips, export.network)
            for suffix in (".xml", ".bin"):
                floating.with_suffix(suffix).unlink()
            _check_int8(export, logits, clips)
    except OpenVinoError as error:
        _refuse(folder, str(error))
    except (OSError, MemoryError, ThanoError):  # not the fault of the network
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        _refuse(folder, f"OpenVINO cannot run it: {one_sentence(error)}")


def _converted(logits: _Logits, example: Inputs) -> Any:
    """The network for clips of any length."""
    shapes = {name: [1, -1] if name == "samples" else list(value.shape) for name, value in example.items()}
    with torch.no_grad(), quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: what depends on the length is checked below
        return openvino().convert_model(
            logits,
            example_input={name: torch.from_numpy(value) for name, value in example.items()},
            input=[(name, openvino().PartialShape(shape)) for name, shape in shapes.items()],
        )


def _save(network: Any, path: Path) -> None:
    try:
        openvino().save_model(network, path, compress_to_fp16=False)
    except RuntimeError as error:  # "iostream error": it does not say which
        raise OSError(NO_SPACE) from error


def _check(export: Export, logits: _Logits, checkpoint: CtcCheckpoint, clips: list[Inputs]) -> None:
    """Compare clips of several lengths, in the worst order: the shortest possible ones between longer ones.

    Raises:
        OpenVinoError: the logits differ from torch's.
    """
    shortest = [
        {**clips[1], "samples": clips[1]["samples"][:, : checkpoint.grid.receptive_field + more]}
        for more in (0, checkpoint.grid.stride)
    ]
    longest = {**clips[1], "samples": np.concatenate([clip["samples"] for clip in clips[:4]], axis=1)}
    run = _compiled(export)
    for inputs in (clips[0], shortest[0], longest, shortest[1], clips[1], clips[0]):
        expected, found = _of_torch(logits, inputs), run(inputs)
        if expected.shape != found.shape or not np.allclose(
            found, expected, atol=MAX_DIFFERENCE * np.abs(expected).max()
        ):
            raise OpenVinoError("OpenVINO computes other scores for it than torch")


def _check_int8(export: Export, logits: _Logits, clips: list[Inputs]) -> None:
    run = _compiled(export)
    for inputs in clips[:N_CHECKED]:
        expected, found = _of_torch(logits, inputs), run(inputs)
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected - expected.mean())
        if not error <= MAX_INT8_ERROR:
            raise OpenVinoError(f"in 8-bit integers OpenVINO changes its scores by {error:.0%}")


@torch.inference_mode()
def _of_torch(logits: _Logits, inputs: Inputs) -> NDArray[np.float32]:
    expected: NDArray[np.float32] = logits(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()
    return expected


def _compiled(export: Export) -> Callable[[Inputs], NDArray[np.float32]]:
    # Two streams, as where several clips are computed at a time: OpenVINO makes other code for a single one.
    network = Network.compile(read(export.network), bfloat16=False, n_streams=2, n_threads=2)

    def run(inputs: Inputs) -> NDArray[np.float32]:
        with network.request() as request:
            request.infer(inputs)
            found: NDArray[np.float32] = request.get_output_tensor().data.copy()
        return found

    return run


def _write_first_layer(conv: nn.Conv1d, path: Path) -> None:
    tensors = {"weight": conv.weight.detach()}
    if conv.bias is not None:
        tensors["bias"] = conv.bias.detach()
    try:
        save_file(tensors | {"stride": torch.tensor(conv.stride)}, path)
    except SafetensorError as error:
        raise OSError(NO_SPACE) from error


def _read_first_layer(path: Path) -> nn.Conv1d | None:
    if not path.is_file():
        return None
    tensors = load_file(path)
    weight, bias = tensors["weight"], tensors.get("bias")
    stride = int(tensors["stride"])
    conv = nn.Conv1d(1, len(weight), weight.shape[2], stride, bias=bias is not None)
    conv.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return conv.requires_grad_(False)


def _refuse(folder: Path, reason: str) -> None:
    """Leave nothing in a folder but the reason."""
    for path in folder.iterdir():
        path.unlink()
    (folder / _NOT_SUPPORTED).write_text(reason, encoding="utf-8")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
