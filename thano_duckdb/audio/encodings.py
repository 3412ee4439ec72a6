"""Containers that libsndfile reads, around an encoding that it does not: such a file is not damaged."""

from __future__ import annotations

from .raw import RawAudio
from .riff_chunks import chunk_offset

# https://www.iana.org/assignments/wave-avi-codec-registry, and what ffmpeg writes.
_WAV_TAGS = {
    0x0014: "G.723 ADPCM",
    0x0020: "Yamaha ADPCM",
    0x0022: "TrueSpeech",
    0x0040: "G.721 ADPCM",
    0x0042: "G.723.1",
    0x0045: "G.726",
    0x0050: "MPEG layer 2",
    0x0055: "MP3",
    0x0064: "G.726",
    0x0065: "G.722",
    0x0083: "G.729",
    0x00FF: "AAC",
    0x0130: "ACELP",
    0x0160: "Windows Media Audio",
    0x0161: "Windows Media Audio",
    0x0162: "Windows Media Audio",
    0x0163: "Windows Media Audio",
    0x0270: "ATRAC3",
    0x028F: "G.722",
    0x0674: "Vorbis",
    0x1600: "AAC",
    0x1602: "AAC",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x566F: "Vorbis",
    0x674F: "Vorbis",
    0x6750: "Vorbis",
    0x704F: "Opus",
    0xA109: "Speex",
    0xF1AC: "FLAC",
}
_EXTENSIBLE = 0xFFFE
_FOUR_LETTERS = {
    b"alac": "ALAC",
    b"aac ": "AAC",
    b"opus": "Opus",
    b"flac": "FLAC",
    b".mp3": "MP3",
    b".mp2": "MPEG layer 2",
    b"ac-3": "AC-3",
    b"samr": "AMR",
    b"ilbc": "iLBC",
    b"MAC3": "MACE",
    b"MAC6": "MACE",
    b"QDM2": "QDesign",
    b"Qclp": "QCELP",
    b"G722": "G.722",
    b"G726": "G.726",
}
_AU_CODES = {24: "G.722"}
_OGG_PACKETS = {b"\x7fFLAC": "FLAC in Ogg", b"Speex   ": "Speex", b"\x80theora": "Theora (a film)"}


def unsupported_encoding(raw: RawAudio) -> str | None:
    """The name of the encoding of a file that libsndfile could not open, None where it is not the reason."""
    head = raw.read_at(0, 64)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _WAV_TAGS.get(_wav_tag(_chunk(raw, b"fmt ", "<")))
    if head.startswith(b"riff") and head[40:44] == b"fmt ":  # W64
        return _WAV_TAGS.get(_wav_tag(raw.read_at(64, 26)))
    if head.startswith(b"FORM") and head[8:12] == b"AIFC":
        return _FOUR_LETTERS.get(_chunk(raw, b"COMM", ">")[18:22])
    if head.startswith(b"caff") and head[8:12] == b"desc":
        return _FOUR_LETTERS.get(head[28:32])
    if head.startswith(b".snd"):
        return _AU_CODES.get(int.from_bytes(head[12:16], "big"))
    if head.startswith(b"OggS"):
        packet = head[28:]
        return next((name for start, name in _OGG_PACKETS.items() if packet.startswith(start)), None)
    return None


def _wav_tag(fmt: bytes) -> int:
    """The format tag of a `fmt ` chunk: of an extensible one, the beginning of its GUID; 0 if it is cut off."""
    tag = int.from_bytes(fmt[:2], "little")
    return int.from_bytes(fmt[24:26], "little") if tag == _EXTENSIBLE else tag


def _chunk(raw: RawAudio, name: bytes, byte_order: str) -> bytes:
    """The beginning of the content of a chunk, empty if there is none."""
    offset = chunk_offset(raw, name, byte_order)
    return b"" if offset is None else raw.read_at(offset, 26)
