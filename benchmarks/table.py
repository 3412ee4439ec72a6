"""`python -m benchmarks table`: the latest `peers` as a GitHub table."""

from __future__ import annotations

from benchmarks.report import markdown

HEADINGS = {
    "corpus": "clips",
    "model": "model",
    "system": "system",
    "audio_s_per_s": "audio-s/s",
    "ratio_to_pipeline_16": "over pipeline(16)",
    "wer_percent": "WER %",
    "mfu_percent": "MFU %",
    "peak_rise_mib": "peak memory, MiB",
    "note": "",
}


def main() -> None:
    """Print it."""
    print(markdown("peers", HEADINGS))
