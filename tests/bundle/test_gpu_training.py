"""Training on a GPU, as far as a CPU can show it: batches, targets, and a few steps on tones."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from bundle.gpu import train
from bundle.gpu.augmentation import disturb
from bundle.gpu.batches import RATE_HZ, Draw, draw, endless_batches, n_frames
from bundle.gpu.pack import COLUMNS
from bundle.gpu.packed_speech import PackedSpeech
from thano_duckdb.models import tiny
from thano_duckdb.models.bundled import MODEL_FOLDER

SHORT, LONG = 24_000, 40_000


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Three clips of noise with labels, and one without; the second is the one to choose by."""
    random = np.random.default_rng(0)
    content = b""
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, (n_samples, labels) in enumerate(((SHORT, "5 6"), (LONG, "7"), (LONG, "8 9 10"), (SHORT, ""))):
            buffer = io.BytesIO()
            noise = random.standard_normal(n_samples) * 0.1
            soundfile.write(buffer, noise, RATE_HZ, format="FLAC", subtype="PCM_16")
            part = "dev" if number == 1 else "train"
            table.writerow(("clips-0.bin", len(content), len(buffer.getvalue()), part, "noise", n_samples, labels))
            content += buffer.getvalue()
    (tmp_path / "clips-0.bin").write_bytes(content)
    return tmp_path


def test_frames_are_counted_as_the_network_counts_them() -> None:
    """The formula is that of the shipped model's convolutions."""
    network = Wav2Vec2ForCTC(Wav2Vec2Config.from_pretrained(MODEL_FOLDER))
    lengths = range(2_500, 60_000, 97)
    assert [n_frames(n) for n in lengths] == [int(network._get_feat_extract_output_lengths(n)) for n in lengths]


def test_every_clip_is_used_at_most_once_in_a_pass_and_batches_have_few_shapes() -> None:
    """Clips that do not fill a batch wait for the next pass."""
    lengths = [int(n) for n in np.random.default_rng(1).integers(8_000, 300_000, 500)]
    batches = itertools.islice(endless_batches(range(500), lengths, [1.0] * 500, budget_s=30), 2_000)
    used: Counter[int] = Counter()
    sizes = set()
    last_pass = 0
    for number, frames, draws in batches:
        last_pass = number
        used.update(drawn.index for drawn in draws)
        sizes.add((frames, len(draws)))
        assert all(n_frames(drawn.n_samples) <= frames for drawn in draws)
    assert len(sizes) < 20
    assert len(used) == 500
    assert max(used.values()) <= last_pass
    assert used.total() > 0.75 * 500 * (last_pass - 1)


def test_a_clip_that_is_not_disturbed_is_standardised_and_padded_with_zeros(pack: Path) -> None:
    """As PREDICT does it."""
    speech = PackedSpeech(pack, "cpu")
    batch = speech.batch([Draw(0, SHORT), Draw(1, LONG)], n_frames(LONG) + 1, strength=None, with_targets=False)
    samples = speech.clip(0).double()
    expected = (samples - samples.mean()) / samples.std(correction=0)
    found = batch.audio[0].double()
    torch.testing.assert_close(found[: SHORT - 1], expected[:-1], atol=1e-3, rtol=0)
    assert not found[SHORT:].any()
    assert batch.labels.tolist() == [5, 6, 7]
    assert batch.n_labels == [2, 1]


def test_targets_follow_the_speed_and_the_silence_before_a_clip(pack: Path) -> None:
    """A state says the second of the clip that it belongs to; each frame must get that of its own middle."""
    speech = PackedSpeech(pack, "cpu")
    n_states = 50 * LONG // RATE_HZ
    seconds = (torch.arange(n_states) + 0.5) / 50
    speech.states = seconds[:, None].expand(-1, 512).half()
    speech.state_counts[:] = n_states
    drawn = Draw(1, 4_000 + int(LONG / 1.1), speed=1.1, before=4_000)
    batch = speech.batch([drawn], n_frames(drawn.n_samples), strength=None, with_targets=True)
    assert batch.targets is not None
    assert batch.has_target is not None
    middles = (torch.arange(n_frames(drawn.n_samples)) * 480 + 1_250 - 4_000) / RATE_HZ * 1.1
    inside = batch.has_target[0]
    assert inside.sum() > 60
    torch.testing.assert_close(batch.targets[0, inside, 0].float(), middles[inside], atol=0.02, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_disturbed_clips_are_finite_and_silent_outside(strength: float) -> None:
    """Also a clip that is digital silence."""
    torch.manual_seed(0)
    audio = torch.randn(8, LONG)
    audio[3] = 0
    inside = torch.ones(8, LONG, dtype=torch.bool)
    inside[1, SHORT:] = False
    disturbed = disturb(audio * inside, inside, strength)
    assert disturbed.isfinite().all()
    assert not disturbed[1, SHORT:].any()
    assert (disturbed[0] - audio[0]).abs().max() > 0


def test_drawn_clips_vary(pack: Path) -> None:
    """Speed and silence are random."""
    drawn = [draw(0, LONG) for _ in range(50)]
    assert len({clip.speed for clip in drawn}) > 10
    assert len({clip.before for clip in drawn}) > 5


def test_training_runs_and_writes_weights_in_half_precision(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clips without labels, and padded batches, give no error; the weights load again; a paused run goes on."""
    out, small = tmp_path / "out", {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    tiny.write_tiny(shape := tmp_path / "shape")
    config = json.loads((shape / "config.json").read_text())
    (shape / "config.json").write_text(json.dumps(config | small | {"conv_dim": [16, 16, 16, 32, 32]}))
    values = {
        "--config": str(shape),
        "--seconds": "3", "--batch-s": "4", "--teacher-weight": "0", "--device": "cpu", "--teacher-layer": "-1",
    }  # fmt: skip
    words = ["train", str(pack), str(out), *itertools.chain(*values.items())]
    monkeypatch.setattr("sys.argv", [*words, "--pause-after", "1"])
    train.main()
    first = load_file(out / "model.safetensors")
    monkeypatch.setattr("sys.argv", words)
    train.main()
    weights = load_file(out / "model.safetensors")
    assert not torch.equal(first["lm_head.weight"], weights["lm_head.weight"])
    assert "goes on after step" in capsys.readouterr().out
    assert weights["lm_head.weight"].dtype == torch.float16
    assert all(weight.isfinite().all() for weight in weights.values())
