"""The frames of an MPEG audio stream, counted by their headers (ISO 11172-3, 2.4.1.3).

Without a Xing header only this says how long a stream is: libsndfile guesses, and stops reading where it guessed.
"""

from __future__ import annotations

import functools

from .raw import RawAudio

_WINDOW_BYTES = 1 << 20
_VERSION_1, _LAYER_3, _LAYER_2 = 3, 1, 2  # as in the header
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBIT_S = {
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, _LAYER_3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def count_samples(raw: RawAudio, start: int) -> int:
    """Samples of each channel in the frames that lie one behind the other from the offset `start`.

    It ends at the first bytes that are no frame (a tag, damage, the end), so it never says too much.
    """
    n_samples, offset = 0, start
    while len(window := raw.read_at(offset, _WINDOW_BYTES)) >= 4:
        position = 0
        while position + 4 <= len(window):
            frame_bytes, frame_samples = _frame(window[position : position + 4])
            if not frame_bytes or offset + position + frame_bytes > raw.n_bytes:
                return n_samples
            n_samples += frame_samples
            position += frame_bytes
        offset += position
    return n_samples


@functools.lru_cache(maxsize=4096)
def _frame(header: bytes) -> tuple[int, int]:
    """Size in bytes and samples of each channel of the frame with this header; 0, 0 if it is none."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbit_index, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    is_frame = header[0] == 0xFF and header[1] >> 5 == 7 and version in _RATES_HZ and layer in (_LAYER_2, _LAYER_3)
    if not is_frame or not 1 <= kbit_index <= 14 or rate_index == 3:
        return 0, 0
    n_samples = 576 if layer == _LAYER_3 and version != _VERSION_1 else 1152
    kbit_s = _KBIT_S[version == _VERSION_1, layer][kbit_index - 1]
    return n_samples * kbit_s * 125 // _RATES_HZ[version][rate_index] + padding, n_samples
