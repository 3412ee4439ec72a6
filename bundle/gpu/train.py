"""Train the small model on a GPU: `python -m bundle.gpu.train PACK OUT --config FOLDER --seconds 400`.

PACK is what pack.py wrote. CTC on transcripts, and the cosine and absolute distances of an inner layer from the states
of the teacher, mapped linearly (Chang, Yang, Lee: DistilHuBERT, 2022, arXiv:2110.01900). One schedule by the clock: the
learning rate rises and falls once within `--seconds`. With `--pause-after` the same command, given again, goes on where
it paused. The result is the moving mean of the weights, in half precision.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import defaultdict
from pathlib import Path

import torch
from rapidfuzz.distance import Levenshtein
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from bundle.gpu.batches import Draw, endless_batches, n_frames, shapes
from bundle.gpu.packed_speech import Batch, PackedSpeech
from bundle.gpu.saved import Part, Progress, add_to_curve, go_on, pause, write_model
from bundle.gpu.teacher import SIZE, Teacher

SHARES = {"robotic": 0.7, "free_spoken_digits": 0.5, "not_speech": 0.5, "an4": 1.0}
"""The part of a corpus that is used in one pass; all of each other one."""
WARM_UP, MEAN_DECAY, WEIGHT_DECAY, CLIP = 0.05, 0.999, 0.02, 1.0
TRAINED = {
    "hidden_dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.05, "feat_proj_dropout": 0.05,
    "final_dropout": 0.1, "attn_implementation": "sdpa",
}  # fmt: skip
MASK_START, MASK_FRAMES = 0.012, 9
"""A mask of 9 frames (0.27 s) begins at a frame with this probability."""
SHORTEST = 8_000
"""Samples; a shorter clip, made faster, would hardly give a frame."""
TEACHER_FADES = 0.8
"""The share of the teacher's weight that is gone at the end."""
EVERY_S, MEASURED_EVERY_S = 15, 45


class Student(nn.Module):
    """The small model, with a map from one of its layers to the teacher's states."""

    def __init__(self, config: Wav2Vec2Config, layer: int) -> None:
        """`layer` counts from the end."""
        super().__init__()
        self.ctc = Wav2Vec2ForCTC(config)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.map = nn.Linear(config.hidden_size, SIZE)
        self._inner: Tensor | None = None  # what comes out of `layer`
        self.ctc.wav2vec2.encoder.layers[layer].register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        self._inner = output if isinstance(output, Tensor) else output[0]

    def forward(self, batch: Batch, masked: bool) -> tuple[Tensor, Tensor]:
        """Logits (batch, frames, labels), and the states that the teacher is expected to have."""
        network = self.ctc.wav2vec2
        features = network.feature_extractor(batch.audio).transpose(1, 2)
        hidden, _ = network.feature_projection(features)
        if masked:
            starts = (torch.rand(hidden.shape[:2], device=hidden.device) < MASK_START).float()
            mask = nn.functional.max_pool1d(starts[:, None], MASK_FRAMES, 1, MASK_FRAMES // 2)[:, 0] > 0
            hidden = torch.where(mask[..., None], network.masked_spec_embed.to(hidden.dtype), hidden)
        found = network.encoder(hidden, attention_mask=batch.inside)
        logits = self.ctc.lm_head(self.ctc.dropout(found.last_hidden_state))
        assert self._inner is not None
        return logits, self.map(self.norm(self._inner))


def ctc_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Per label."""
    scores = logits.float().log_softmax(-1).transpose(0, 1)
    n_frames, n_labels = torch.tensor(batch.n_frames), torch.tensor(batch.n_labels)
    loss = nn.functional.ctc_loss(scores, batch.labels, n_frames, n_labels, reduction="sum", zero_infinity=True)
    return loss / max(1, len(batch.labels))


def distance(guessed: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """One minus the cosine, and the mean absolute difference, over the frames that the teacher heard."""
    assert batch.targets is not None
    assert batch.has_target is not None
    weight = batch.has_target.float()
    guessed, targets = guessed.float(), batch.targets.float()
    cosine = nn.functional.cosine_similarity(guessed, targets, dim=-1)
    absolute = (guessed - targets).abs().mean(-1)
    return ((1 - cosine) * weight).sum() / weight.sum(), (absolute * weight).sum() / weight.sum()


@torch.inference_mode()
def word_errors(
    student: Student, speech: PackedSpeech, indexes: list[int], tokens: dict[int, str]
) -> tuple[float, float]:
    """WER and CER by greedy decoding."""
    student.eval()
    errors: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    indexes = sorted(indexes, key=lambda i: speech.lengths[i])
    for first in range(0, len(indexes), 32):
        part = indexes[first : first + 32]
        longest = max(n_frames(speech.lengths[i]) for i in part)
        draws = [Draw(i, speech.lengths[i]) for i in part]
        batch = speech.batch(draws, shapes(longest)[-1], strength=None, with_targets=False)
        with torch.autocast(speech.device.type, torch.bfloat16):
            best = student(batch, masked=False)[0].argmax(-1).cpu().tolist()
        for i, ids, count in zip(part, best, batch.n_frames, strict=True):
            kept = [a for at, a in enumerate(ids[:count]) if a and (at == 0 or ids[at - 1] != a)]
            hypothesis, reference = ("".join(tokens[a] for a in labels) for labels in (kept, speech.labels[i]))
            for key, split in (("wer", str.split), ("cer", list)):
                errors[key][0] += Levenshtein.distance(split(reference), split(hypothesis))
                errors[key][1] += len(split(reference))
    student.train()
    return tuple(wrong / max(1, length) for wrong, length in (errors["wer"], errors["cer"]))  # type: ignore[return-value]


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path, required=True, help="a folder with config.json and vocab.json")
    parser.add_argument("--seconds", type=float, default=400.0)
    parser.add_argument("--pause-after", type=float, default=math.inf, help="seconds of training in this run")
    parser.add_argument("--batch-s", type=float, default=600.0)
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--teacher-weight", type=float, default=1.0, help="0 for CTC alone")
    parser.add_argument("--teacher-layer", type=int, default=-3)
    parser.add_argument("--strength", type=float, default=1.0, help="how often each disturbance happens")
    parser.add_argument("--weights", type=Path, help="a model of this shape to go on from")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", type=int, help="only so many, for a trial")
    arguments = parser.parse_args()
    begun = time.perf_counter()

    def say(*values: object) -> None:
        print(f"{time.perf_counter() - begun:6.1f}", *values, flush=True)

    torch.manual_seed(0)
    random.seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.enable_cudnn_sdp(False)  # it prepares itself anew for every shape, for long
    device: str = arguments.device
    speech = PackedSpeech(arguments.pack, device, arguments.clips)
    trained = [i for i, row in enumerate(speech.rows) if row["part"] == "train" and speech.lengths[i] >= SHORTEST]
    chosen_by = [i for i, row in enumerate(speech.rows) if row["part"] == "dev"]
    hours = sum(speech.lengths[i] for i in trained) / 16_000 / 3600
    say(f"{len(trained)} clips, {hours:.2f} h decoded; {len(chosen_by)} to choose by")
    uses_teacher = arguments.teacher_weight > 0
    if uses_teacher:
        speech.ask(Teacher(arguments.pack / "teacher.safetensors", device), trained)
        say(f"the teacher answered: {len(speech.states)} states")
    settings = json.loads((arguments.config / "config.json").read_text())
    tokens = {i: token for token, i in json.loads((arguments.config / "vocab.json").read_text()).items()}
    tokens = {i: " " if token == "|" else token if len(token) == 1 else "" for i, token in tokens.items()}
    student = Student(Wav2Vec2Config(**(settings | TRAINED)), arguments.teacher_layer).to(device)
    mean = Student(Wav2Vec2Config(**settings), arguments.teacher_layer).to(device)
    if arguments.weights:
        student.ctc.load_state_dict(load_file(arguments.weights / "model.safetensors"))
    mean.load_state_dict(student.state_dict())
    weights: list[Tensor] = list(student.parameters())
    means: list[Tensor] = list(mean.parameters())
    say(f"{sum(w.numel() for w in student.ctc.parameters()) / 1e6:.2f} M parameters")
    optimizer = torch.optim.AdamW(
        weights, lr=1e-3, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused="cuda" in device
    )
    parts: dict[str, Part] = {"student": student, "mean": mean, "optimizer": optimizer}
    progress = go_on(arguments.out, parts, device)
    step, heard_s = progress.step, progress.heard_s
    if step:
        random.seed(step)
        torch.manual_seed(step)
        say(f"goes on after step {step}")
    run_from = time.perf_counter()
    trained_from = run_from - progress.trained_s
    shown_at = measured_at = run_from
    n_shown, n_passes = 0, 0
    sums = torch.zeros(4, device=device)
    shares = [SHARES.get(row["corpus"], 1.0) for row in speech.rows]
    for n_passes, frames, draws in endless_batches(trained, speech.lengths, shares, arguments.batch_s):
        now = time.perf_counter()
        done = (now - trained_from) / arguments.seconds
        if done >= 1 or now - run_from > arguments.pause_after:
            break
        rate = arguments.learning_rate * (
            done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
        )
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-6)
        batch = speech.batch(draws, frames, strength=arguments.strength, with_targets=uses_teacher)
        with torch.autocast(speech.device.type, torch.bfloat16):
            logits, guessed = student(batch, masked=True)
        loss = ctc = ctc_loss(logits, batch)
        if uses_teacher:
            angle, absolute = distance(guessed, batch)
            loss = ctc + arguments.teacher_weight * (1 - TEACHER_FADES * done) * (angle + 0.5 * absolute)
            sums[1:3] += torch.stack([angle.detach(), absolute.detach()])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(weights, CLIP)
        optimizer.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(means, weights, 1 - min(MEAN_DECAY, (1 + step) / (10 + step)))
        sums[0] += ctc.detach()
        sums[3] += norm.detach()
        heard_s += sum(batch.n_samples) / 16_000
        n_shown += 1
        if now - shown_at > EVERY_S:
            ctc_mean, angle_mean, absolute_mean, norm_mean = (sums / n_shown).tolist()
            took = time.perf_counter() - trained_from
            losses = f"ctc {ctc_mean:.4f} angle {angle_mean:.4f} l1 {absolute_mean:.4f} norm {norm_mean:.2f}"
            speed = f"{heard_s / took:.0f} audio s/s, {1000 * took / step:.1f} ms/step"
            say(f"step {step} pass {n_passes} {losses} rate {rate:.2e}: {speed}")
            sums.zero_()
            shown_at, n_shown = now, 0
        if now - measured_at > MEASURED_EVERY_S:
            wer, cer = word_errors(mean, speech, chosen_by, tokens)
            say(f"dev: WER {wer:.4f} CER {cer:.4f}")
            write_model(mean.ctc, settings, arguments.config, arguments.out)
            point = {
                "seconds": round(now - trained_from),
                "step": step,
                "ctc_loss": round(ctc.item(), 4),
                "learning_rate": rate,
                "audio_hours": round(heard_s / 3600, 1),
                "dev_wer": round(wer, 4),
                "dev_cer": round(cer, 4),
            }
            add_to_curve(arguments.out, point)
            measured_at = time.perf_counter()
    write_model(mean.ctc, settings, arguments.config, arguments.out)
    pause(arguments.out, parts, Progress(step, heard_s, time.perf_counter() - trained_from))
    wer, cer = word_errors(mean, speech, chosen_by, tokens)
    say(f"stopped after {step} steps, {n_passes} passes, {heard_s / 3600:.1f} h; dev: WER {wer:.4f} CER {cer:.4f}")
    if device.startswith("cuda"):
        say(f"memory at its peak: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
