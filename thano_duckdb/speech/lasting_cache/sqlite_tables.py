"""The tables of the store in the model home, and the SQL by which transcripts are kept and found."""

from __future__ import annotations

FORMAT = 1
"""Of the tables, as SQLite's `user_version`."""
APPLICATION_ID = 0x7468616E
"""By which `file` and others recognise the database; 'than' in ASCII."""

TABLES = """
CREATE TABLE recognitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    content TEXT NOT NULL,
    language TEXT,
    precision TEXT NOT NULL,
    decoder TEXT NOT NULL,
    skip_silence INTEGER NOT NULL,
    level TEXT NOT NULL,
    first_used INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    clips INTEGER NOT NULL DEFAULT 0,
    audio_s REAL NOT NULL DEFAULT 0,
    n_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE names (
    recognition INTEGER NOT NULL REFERENCES recognitions (id),
    model TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (recognition, model)
) WITHOUT ROWID;
CREATE TABLE transcripts (
    id INTEGER PRIMARY KEY,
    recognition INTEGER NOT NULL,
    clip BLOB NOT NULL,
    used INTEGER NOT NULL,
    text TEXT NOT NULL,
    confidence REAL,
    duration_s REAL,
    words_utf8 BLOB,
    words BLOB,
    more TEXT,
    checksum INTEGER NOT NULL,
    UNIQUE (recognition, clip)
);
CREATE INDEX transcripts_used ON transcripts (used);
CREATE TABLE files (version BLOB PRIMARY KEY, content BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX files_used ON files (used);
CREATE TRIGGER kept AFTER INSERT ON transcripts BEGIN
    UPDATE recognitions SET clips = clips + 1, audio_s = audio_s + coalesce(new.duration_s, 0), n_bytes = n_bytes
        + length(new.text) + coalesce(length(new.words_utf8), 0) + coalesce(length(new.words), 0) + 64
    WHERE id = new.recognition;
END;
CREATE TRIGGER dropped AFTER DELETE ON transcripts BEGIN
    UPDATE recognitions SET clips = clips - 1, audio_s = audio_s - coalesce(old.duration_s, 0), n_bytes = n_bytes
        - length(old.text) - coalesce(length(old.words_utf8), 0) - coalesce(length(old.words), 0) - 64
    WHERE id = old.recognition;
END;
"""
INSERT = (
    "INSERT OR IGNORE INTO transcripts "
    "(recognition, clip, used, text, confidence, duration_s, words_utf8, words, more, checksum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

FIND = (
    "SELECT clip, used, checksum, text, confidence, duration_s, words_utf8, words, more FROM transcripts WHERE id IN ("
    "SELECT transcripts.id FROM recognitions CROSS JOIN transcripts ON recognition = recognitions.id "  # in this order
    "WHERE fingerprint = ? AND clip IN ({}))"
)
"""The index first, then the rows in the order of the file: clips that were kept together are in the same pages."""
