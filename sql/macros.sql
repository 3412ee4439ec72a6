-- The SQL face of the functions that thano_duckdb registers, installed by load() in the connection's temporary schema:
-- nothing is written into the database file.
--
-- The functions whose names begin with _thano_ are the registered ones. Besides their arguments they get the token of the
-- connection that calls, which load() fills in between the braces (connection/session.py says why that is safe). They are
-- called as system.main._thano_.., so that nobody's macro of the same name gets the token.

CREATE OR REPLACE TEMP MACRO thano_transcribe(model, audio, options := NULL) AS
    system.main._thano_transcribe(model, audio, options, {session});

CREATE OR REPLACE TEMP MACRO thano_audio_info(audio) AS
    system.main._thano_audio_info(audio, {session});

-- Error rates pooled over the rows of a group: GROUP BY speaker works. A row with NULL on either side does not count.
CREATE OR REPLACE TEMP MACRO thano_wer(reference, hypothesis) AS
    (
        sum(system.main.thano_word_errors(reference, hypothesis).substitutions)
        + sum(system.main.thano_word_errors(reference, hypothesis).deletions)
        + sum(system.main.thano_word_errors(reference, hypothesis).insertions)
    ) / nullif(sum(system.main.thano_word_errors(reference, hypothesis).length), 0);

CREATE OR REPLACE TEMP MACRO thano_cer(reference, hypothesis) AS
    (
        sum(system.main.thano_char_errors(reference, hypothesis).substitutions)
        + sum(system.main.thano_char_errors(reference, hypothesis).deletions)
        + sum(system.main.thano_char_errors(reference, hypothesis).insertions)
    ) / nullif(sum(system.main.thano_char_errors(reference, hypothesis).length), 0);

-- PREDICT without the dialect: SELECT * FROM thano_predict('Wav2Vec2En', 'calls', audio_col := 'recording')
CREATE OR REPLACE TEMP MACRO thano_predict(model, source, audio_col := 'audio_path', options := NULL) AS TABLE
    SELECT src.*, thano_transcribe(model, src[audio_col], options).text AS predicted
    FROM query_table(source) AS src;

-- The metrics of EVALUATE for a group of rows, as a list of metric and score.
CREATE OR REPLACE TEMP MACRO thano_scores(reference, transcript, grouped := false) AS
    system.main._thano_scores(
        list({'reference': reference, 'hypothesis': transcript.text, 'duration': transcript.duration}),
        grouped, {session}
    );

-- EVALUATE without the dialect.
CREATE OR REPLACE TEMP MACRO thano_evaluate(
    model, source, audio_col := 'audio_path', text_col := 'text', options := NULL
) AS TABLE
    SELECT unnest(
        thano_scores(src[text_col], thano_transcribe(model, src[audio_col], options)),
        recursive := true
    )
    FROM query_table(source) AS src;

-- BUILD and FIT: takes the rows as one list, and returns a struct of metrics for each epoch.
CREATE OR REPLACE TEMP MACRO thano_build(name, base, options, examples) AS
    system.main._thano_build(name, base, options, examples, {session});

-- The metrics of the epochs that a model was trained for.
CREATE OR REPLACE TEMP MACRO thano_training(model) AS TABLE
    SELECT unnest(system.main._thano_training(model, {session}), recursive := true);

-- The registry. A macro that changes it does so once for each read; UPLOAD MODEL and the like read it at once.
CREATE OR REPLACE TEMP MACRO thano_models() AS TABLE
    SELECT unnest(system.main._thano_models({session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_datasets() AS TABLE
    SELECT unnest(system.main._thano_datasets({session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_upload_model(name, folder, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_upload_model(name, folder, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_delete_model(name) AS TABLE
    SELECT unnest(system.main._thano_delete_model(name, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_get_model(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_model(name, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_get_dataset(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_dataset(name, options, {session}), recursive := true);

-- The audio files of a folder (searched with its subfolders), of a pattern, or one file, with what their headers say.
-- load() fills in the suffixes of audio files.
CREATE OR REPLACE TEMP MACRO thano_audio(location) AS TABLE
    SELECT file AS audio_path, unnest(thano_audio_info(file))
    FROM glob(
        CASE
            WHEN contains(location, '*') OR regexp_matches(lower(location), '\.[a-z0-9]{2,4}$') THEN location
            ELSE rtrim(location, '/\') || '/**'
        END
    )
    WHERE regexp_matches(lower(file), '\.({audio_suffixes})$')
    ORDER BY file;

-- A LibriSpeech tree (speaker/chapter/speaker-chapter.trans.txt) as a table.
-- Format: the README of https://www.openslr.org/12
CREATE OR REPLACE TEMP MACRO thano_librispeech(root) AS TABLE
    SELECT
        parse_dirpath(filename) || '/' || utterance_id || '.flac' AS audio_path,
        text,
        split_part(utterance_id, '-', 1) AS speaker,
        split_part(utterance_id, '-', 2) AS chapter,
        utterance_id
    FROM (
        SELECT
            filename,
            split_part(line, ' ', 1) AS utterance_id,
            trim(substr(line, strpos(line, ' ') + 1)) AS text
        FROM (
            SELECT filename, unnest(string_split(replace(content, chr(13), ''), chr(10))) AS line
            FROM read_text(rtrim(root, '/\') || '/**/*.trans.txt')
        )
        WHERE line <> ''
    )
    ORDER BY utterance_id;
