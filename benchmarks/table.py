"""`python -m benchmarks table`: the latest results of `peers` as the Markdown tables of the documentation."""

from __future__ import annotations

from benchmarks.report import read_results


def main() -> None:
    """Print a table for each run, with a row for each system and its speed on each set of clips."""
    rows = [row for row in read_results("peers") if row["audio_s_per_s"]]
    for run in dict.fromkeys(row["run"] for row in rows):
        _print_table([row for row in rows if row["run"] == run])
        print()


def _print_table(rows: list[dict[str, str]]) -> None:
    corpora = list(dict.fromkeys((row["corpus"], row["model"]) for row in rows))
    with_wer, largest = corpora[0], corpora[-1]
    found = {(row["system"], row["corpus"], row["model"]): row for row in rows}
    headings = [*(", ".join(corpus) for corpus in corpora), f"WER %, {with_wer[0]}", f"memory, {largest[1]}"]
    print(f"| | {' | '.join(headings)} |")
    print("|---" * (len(headings) + 1) + "|")
    for system in dict.fromkeys(row["system"] for row in rows):
        cells = [_speed(found.get((system, *corpus))) for corpus in corpora]
        wer = found.get((system, *with_wer), {}).get("wer_percent", "")
        rise_mib = found.get((system, *largest), {}).get("peak_rise_mib", "")
        print(f"| {' | '.join([system, *cells, wer, rise_mib and rise_mib + ' MiB'])} |")


def _speed(row: dict[str, str] | None) -> str:
    if row is None:
        return ""
    speed, ratio = f"{float(row['audio_s_per_s']):.3g}", row["ratio_to_pipeline_16"]
    return f"{speed} ({float(ratio):.2f})" if ratio else speed
