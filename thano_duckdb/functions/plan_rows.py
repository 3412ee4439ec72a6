"""A plan as rows: items with their values, and as people read them. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from thano_duckdb.speech.estimate import Estimate, exactly

from .survey import Survey


@dataclass(frozen=True)
class PlanRow:
    """One item of a plan.

    Attributes:
        item: its name.
        value: the best guess of a number; None for what is no number, or unknown.
        low, high: between which it lies, 19 times out of 20 where it was sampled.
        text: the same in words.
    """

    item: str
    value: float | None
    low: float | None
    high: float | None
    text: str

    @classmethod
    def of(cls, item: str, estimate: Estimate, text: str) -> PlanRow:
        """A number."""
        return cls(item, estimate.value, estimate.low, estimate.high, text)

    @classmethod
    def of_text(cls, item: str, text: str) -> PlanRow:
        """What is no number."""
        return cls(item, None, None, None, text)

    def as_dict(self) -> dict[str, Any]:
        """For Arrow."""
        return asdict(self)


def clip_rows(
    n_rows: int, n_with_audio: int, found: Survey, *, each_channel: bool, not_looked_up: str
) -> list[PlanRow]:
    """What the query holds.

    Args:
        n_rows: of the query.
        n_with_audio: of which so many have audio.
        found: of the distinct clips.
        each_channel: whether each channel gets a row.
        not_looked_up: why nobody knows which transcripts are in the cache; empty where that is known.
    """
    n_without = n_rows - n_with_audio
    without = f", {n_without:,} of them without audio (NULL)" if n_without else ""
    rows = [
        PlanRow.of("rows", exactly(n_rows), f"{n_rows:,}{without}"),
        PlanRow.of("clips", exactly(found.n_clips), f"{found.n_clips:,} distinct"),
        PlanRow.of("sampled", exactly(found.n_sampled), _sampled(found)),
    ]
    if each_channel:
        what = "rows at most: one for each channel, but none for a channel that is like another"
        rows.append(PlanRow.of("channels", found.transcripts, f"{_number(found.transcripts)} {what}"))
    rows += [
        PlanRow.of("unreadable", found.unreadable, _unreadable(found)),
        PlanRow.of("audio_hours", found.audio_s.times(1 / 3600), time_text(found.audio_s)),
    ]
    if found.known is None:
        rows.append(PlanRow.of_text("cached", f"not looked up: {not_looked_up}"))
    else:
        new = f", which leaves {time_text(found.new_audio_s)} to transcribe" if found.known.value else ""
        rows.append(PlanRow.of("cached", found.known, f"{_number(found.known)} of the clips{new}"))
    return [*rows, PlanRow.of("new_audio_hours", found.new_audio_s.times(1 / 3600), time_text(found.new_audio_s))]


def _sampled(found: Survey) -> str:
    late = f"; {found.n_late:,} gave no answer in time" if found.n_late else ""
    if found.n_sampled >= found.n_clips:
        return f"the headers of all{late}"
    if not found.n_sampled:
        return f"no header was read{late}"
    return f"the headers of {found.n_sampled:,} clips, drawn at random{late}"


def _unreadable(found: Survey) -> str:
    broken = found.unreadable
    if broken.value is None:
        return "unknown"
    if not broken.value:
        return "none" if broken.is_exact else f"none of those sampled; hardly more than {broken.high or 0:,.0f} of all"
    return f"{_number(broken)}, such as {found.problem}"


def _number(estimate: Estimate) -> str:
    """`120`, or `about 120 (60 to 200)`."""
    if estimate.value is None:
        return "an unknown number"
    if estimate.is_exact:
        return f"{estimate.value:,.0f}"
    high = "?" if estimate.high is None else f"{estimate.high:,.0f}"
    return f"about {estimate.value:,.0f} ({estimate.low or 0:,.0f} to {high})"


def time_text(seconds: Estimate) -> str:
    """`2.5 hours`, or `about 25 minutes (20 to 31)`, in the unit that suits the value.

    >>> time_text(exactly(90.0)), time_text(Estimate(1500.0, 1200.0, 1860.0)), time_text(Estimate())
    ('90 s', 'about 25 minutes (20 to 31)', 'unknown')
    """
    if seconds.value is None:
        return "unknown"
    size, unit = _unit(seconds.value)
    value = f"{_short(seconds.value / size)} {unit}"
    if seconds.is_exact:
        return value
    high = "?" if seconds.high is None else _short(seconds.high / size)
    return f"about {value} ({_short((seconds.low or 0) / size)} to {high})"


def _unit(seconds: float) -> tuple[float, str]:
    if seconds < 100:
        return 1, "s"
    if seconds < 100 * 60:
        return 60, "minutes"
    return (3600, "hours") if seconds < 100 * 3600 else (86400, "days")


def _short(number: float) -> str:
    """Two or three digits that matter."""
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def bytes_text(n_bytes: float) -> str:
    """`850 MB`, `1.2 GB`.

    >>> bytes_text(8.5e8), bytes_text(1.24e9)
    ('850 MB', '1.2 GB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
