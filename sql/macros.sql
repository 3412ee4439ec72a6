-- The SQL face of the functions that thano_duckdb registers, installed by load() in the connection's temporary schema:
-- nothing is written into the database file.
--
-- The functions whose names begin with _thano_ are the registered ones. Besides their arguments they get the token of the
-- connection that calls, which load() fills in between the braces (connection/session.py says why that is safe). They are
-- called as system.main._thano_.., so that nobody's macro of the same name gets the token.

CREATE OR REPLACE TEMP MACRO thano_transcribe(model, audio, options := NULL) AS
    system.main._thano_transcribe(model, audio, options, {session});

CREATE OR REPLACE TEMP MACRO thano_audio_info(audio, options := NULL) AS
    system.main._thano_audio_info(audio, options, {session});

-- Error rates pooled over the rows of a group: GROUP BY speaker works, and OVER (PARTITION BY speaker). A row with NULL on
-- either side does not count; the rate is NULL where the references hold nothing to compare with, as in thano_wer('', 'a b').
-- OVER allows a macro one aggregate, so errors and length are summed as one number: the errors in its upper 64 bits.
CREATE OR REPLACE TEMP MACRO thano_pooled_rate(total) AS
    list_transform(
        [total],
        lambda t: (t // 18446744073709551616::HUGEINT) / nullif(t % 18446744073709551616::HUGEINT, 0)
    )[1];

CREATE OR REPLACE TEMP MACRO thano_wer(reference, hypothesis) AS
    thano_pooled_rate(
        sum(
            (
                system.main.thano_word_errors(reference, hypothesis).substitutions
                + system.main.thano_word_errors(reference, hypothesis).deletions
                + system.main.thano_word_errors(reference, hypothesis).insertions
            ) * 18446744073709551616::HUGEINT + system.main.thano_word_errors(reference, hypothesis).length
        )
    );

CREATE OR REPLACE TEMP MACRO thano_cer(reference, hypothesis) AS
    thano_pooled_rate(
        sum(
            (
                system.main.thano_char_errors(reference, hypothesis).substitutions
                + system.main.thano_char_errors(reference, hypothesis).deletions
                + system.main.thano_char_errors(reference, hypothesis).insertions
            ) * 18446744073709551616::HUGEINT + system.main.thano_char_errors(reference, hypothesis).length
        )
    );

-- Whether a column of a query stays beside the columns that PREDICT or PRINT AUDIO add to it: COLUMNS asks for each when
-- DuckDB binds the query. One of the same name, compared case-insensitively, is replaced, and the statement warns of it.
CREATE OR REPLACE TEMP MACRO thano_keeps(name, added) AS
    CASE
        WHEN list_contains(list_transform(added, lambda a: lower(a)), lower(name))
        THEN system.main._thano_replaced(name, {session})
        ELSE true
    END;

-- PREDICT without the dialect: SELECT * FROM thano_predict('Wav2Vec2En', 'calls', audio_col := 'recording')
CREATE OR REPLACE TEMP MACRO thano_predict(model, source, audio_col := 'audio_path', options := NULL) AS TABLE
    SELECT
        COLUMNS(lambda c: thano_keeps(c, ['predicted'])),
        thano_transcribe(model, src[audio_col], options).text AS predicted
    FROM query_table(source) AS src;

-- The metrics of EVALUATE: a list of metric and score, and, for each of several groups, one struct.
CREATE OR REPLACE TEMP MACRO thano_scores(reference, transcript) AS
    system.main._thano_scores(
        list({'reference': reference, 'hypothesis': transcript.text, 'duration': transcript.duration}),
        {session}
    );

CREATE OR REPLACE TEMP MACRO thano_group_scores(reference, transcript) AS
    system.main._thano_group_scores(
        list({'reference': reference, 'hypothesis': transcript.text, 'duration': transcript.duration}),
        {session}
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

CREATE OR REPLACE TEMP MACRO thano_delete_model(name, if_exists := false) AS TABLE
    SELECT unnest(system.main._thano_delete_model(name, if_exists, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_get_model(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_model(name, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_get_dataset(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_dataset(name, options, {session}), recursive := true);

-- The audio files of a folder (searched with its subfolders), of a pattern, or one file, with what their headers say.
-- DuckDB lists addresses (s3://..); of a local path its glob() only checks that the database may read there.
CREATE OR REPLACE TEMP MACRO thano_audio(location) AS TABLE
    SELECT audio_path, unnest(thano_audio_info(audio_path))
    FROM (
        SELECT
            unnest(
                system.main._thano_audio_files(
                    location,
                    (
                        SELECT list(file)
                        FROM glob(
                            CASE
                                WHEN NOT regexp_matches(location, '^[A-Za-z][A-Za-z0-9+.-]+://')
                                OR starts_with(lower(location), 'file://')
                                THEN regexp_replace(location, '([*?\[])', '[\1]', 'g')
                                WHEN contains(location, '*') OR regexp_matches(lower(location), '\.[a-z0-9]{2,4}$')
                                THEN location
                                ELSE rtrim(location, '/') || '/**'
                            END
                        )
                    ),
                    {session}
                )
            ) AS audio_path
    );

-- A file for DuckDB's readers, which take `call [1].csv` for a pattern although it exists.
CREATE OR REPLACE TEMP MACRO thano_file(path) AS
    system.main._thano_file(path, {session});

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
            FROM read_text(regexp_replace(rtrim(root, '/\'), '([*?\[])', '[\1]', 'g') || '/**/*.trans.txt')
        )
        WHERE line <> ''
    )
    ORDER BY utterance_id;
