-- The SQL face of the functions that thano_duckdb registers, installed by load() in the connection's temporary schema:
-- nothing is written into the database file.
--
-- The functions whose names begin with _thano_ are the registered ones. Besides their arguments they get the token of the
-- connection that calls, which is filled in between the braces (connection/session.py says how safe that is). They are
-- called as system.main._thano_.., so that nobody's macro of the same name gets the token. DuckDB's functions and operators
-- are called by their full names too: a macro `lower` or `+` in a database file would win over them. Our own macros need no
-- more than their names, because the temporary schema always comes first.

CREATE OR REPLACE TEMP MACRO thano_transcribe(
    model, audio, options := NULL, hotwords := NULL, channel := NULL, language := NULL
) AS
    system.main._thano_transcribe(model, audio, options, hotwords, channel, language, 'thano_transcribe', {session});

-- The channels of a clip that differ, for a row per channel: unnest keeps the row of NULL and of what cannot be read.
CREATE OR REPLACE TEMP MACRO thano_channels(audio, options := NULL) AS
    system.main._thano_channels(audio, options, {session});

CREATE OR REPLACE TEMP MACRO thano_audio_info(audio, options := NULL) AS
    system.main._thano_audio_info(audio, options, {session});

-- The dialogue of a call, an aggregate over the rows of its channels: a list of turns. The channels are named by number.
CREATE OR REPLACE TEMP MACRO thano_turns(channel, words, pause := NULL) AS
    system.main._thano_turns(
        system.main.list(system.main.struct_pack(channel := channel, words := words)), pause, {session}
    );

-- So that these too win over macros of the same names in a database file.
CREATE OR REPLACE TEMP MACRO thano_normalize(text, locale := NULL) AS system.main.thano_normalize(text, locale);

CREATE OR REPLACE TEMP MACRO thano_word_errors(reference, hypothesis, unit := NULL, locale := NULL) AS
    system.main.thano_word_errors(reference, hypothesis, unit, locale);

CREATE OR REPLACE TEMP MACRO thano_char_errors(reference, hypothesis, ignore_spaces := NULL, locale := NULL) AS
    system.main.thano_char_errors(reference, hypothesis, ignore_spaces, locale);

-- Error rates pooled over the rows of a group: GROUP BY speaker works, and OVER (PARTITION BY speaker). A row with NULL on
-- either side does not count; the rate is NULL where the references hold nothing to compare with, as in thano_wer('', 'a b').
-- OVER allows a macro one aggregate, so errors and length are summed as one number: the errors in its upper 64 bits. A macro
-- within the macro would fail where the column has an alias.
CREATE OR REPLACE TEMP MACRO thano_wer(reference, hypothesis, unit := NULL, locale := NULL) AS
    system.main.list_extract(
        system.main.list_transform(
            system.main.list_value(
                system.main.sum(
                    system.main."+"(
                        system.main."*"(
                            system.main."+"(
                                system.main."+"(
                                    system.main.struct_extract(
                                        system.main.thano_word_errors(reference, hypothesis, unit, locale), 'substitutions'
                                    ),
                                    system.main.struct_extract(
                                        system.main.thano_word_errors(reference, hypothesis, unit, locale), 'deletions'
                                    )
                                ),
                                system.main.struct_extract(
                                    system.main.thano_word_errors(reference, hypothesis, unit, locale), 'insertions'
                                )
                            ),
                            18446744073709551616::HUGEINT
                        ),
                        system.main.struct_extract(
                            system.main.thano_word_errors(reference, hypothesis, unit, locale), 'length'
                        )
                    )
                )
            ),
            lambda total: system.main."/"(
                system.main."//"(total, 18446744073709551616::HUGEINT),
                system.main.nullif(system.main."%"(total, 18446744073709551616::HUGEINT), 0)
            )
        ),
        1
    );

CREATE OR REPLACE TEMP MACRO thano_cer(reference, hypothesis, ignore_spaces := NULL, locale := NULL) AS
    system.main.list_extract(
        system.main.list_transform(
            system.main.list_value(
                system.main.sum(
                    system.main."+"(
                        system.main."*"(
                            system.main."+"(
                                system.main."+"(
                                    system.main.struct_extract(
                                        system.main.thano_char_errors(reference, hypothesis, ignore_spaces, locale), 'substitutions'
                                    ),
                                    system.main.struct_extract(
                                        system.main.thano_char_errors(reference, hypothesis, ignore_spaces, locale), 'deletions'
                                    )
                                ),
                                system.main.struct_extract(
                                    system.main.thano_char_errors(reference, hypothesis, ignore_spaces, locale), 'insertions'
                                )
                            ),
                            18446744073709551616::HUGEINT
                        ),
                        system.main.struct_extract(
                            system.main.thano_char_errors(reference, hypothesis, ignore_spaces, locale), 'length'
                        )
                    )
                )
            ),
            lambda total: system.main."/"(
                system.main."//"(total, 18446744073709551616::HUGEINT),
                system.main.nullif(system.main."%"(total, 18446744073709551616::HUGEINT), 0)
            )
        ),
        1
    );

-- Whether a column of a query stays beside the columns that PREDICT or PRINT AUDIO add to it: COLUMNS asks for each when
-- DuckDB binds the query. One of the same name, compared case-insensitively, is replaced, and the statement warns of it.
CREATE OR REPLACE TEMP MACRO thano_keeps(name, added) AS
    CASE
        WHEN system.main.list_contains(
            system.main.list_transform(added, lambda a: system.main.lower(a)), system.main.lower(name)
        )
        THEN system.main._thano_replaced(name, {session})
        ELSE true
    END;

-- PREDICT without the dialect: SELECT * FROM thano_predict('Wav2Vec2En', 'calls', audio_col := 'recording')
CREATE OR REPLACE TEMP MACRO thano_predict(model, source, audio_col := 'audio_path', options := NULL) AS TABLE
    SELECT
        COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))),
        system.main.struct_extract(
            system.main._thano_transcribe(
                model,
                COLUMNS(system.main.list_filter(*, lambda c: system.main.lower(c) = system.main.lower(audio_col))),
                options,
                NULL,
                NULL,
                NULL,
                'thano_predict',
                {session}
            ),
            'text'
        ) AS predicted
    FROM system.main.query_table(source);

-- What a statement over some rows will take: an aggregate, which gives a list of items. Where contents of files are in the
-- column, fewer are sampled, and equal ones are not told apart first, which would hold all of them. `own_columns` names what
-- each row may have of its own: hotwords, language.
CREATE OR REPLACE TEMP MACRO thano_planned(model, audio, present, options, kind, own_columns) AS
    system.main._thano_plan(
        model,
        options,
        kind,
        own_columns,
        system.main.struct_pack(
            rows := system.main.count_star(),
            audio := system.main.count(present),
            clips := system.main.count(DISTINCT system.main.hash(audio)) FILTER (present IS NOT NULL)
        ),
        system.main.list_concat(
            system.main.arg_min(
                DISTINCT CASE
                    WHEN system.main.regexp_matches(system.main.typeof(audio), 'BLOB|\[') THEN NULL ELSE audio
                END,
                system.main.hash(audio),
                1000
            ) FILTER (present IS NOT NULL),
            system.main.arg_min(
                CASE WHEN system.main.regexp_matches(system.main.typeof(audio), 'BLOB|\[') THEN audio END,
                system.main.hash(audio),
                200
            ) FILTER (present IS NOT NULL)
        ),
        {session}
    );

-- What PREDICT would take, and EXPLAIN PREDICT says: SELECT * FROM thano_plan('Wav2Vec2En', 'calls', audio_col := 'recording')
CREATE OR REPLACE TEMP MACRO thano_plan(model, source, audio_col := 'audio_path', options := NULL) AS TABLE
    SELECT unnest(thano_planned(model, audio, audio, options, 'PREDICT', ''), recursive := true)
    FROM (
        SELECT COLUMNS(system.main.list_filter(*, lambda c: system.main.lower(c) = system.main.lower(audio_col))) AS audio
        FROM system.main.query_table(source)
    );

-- The metrics of EVALUATE: a list of metric and score, and, for each of several groups, one struct.
CREATE OR REPLACE TEMP MACRO thano_scored_rows(reference, hypothesis, duration, error) AS
    system.main.list(
        system.main.struct_pack(
            reference := reference, hypothesis := hypothesis, duration := duration, error := error
        )
    );

CREATE OR REPLACE TEMP MACRO thano_scores(reference, transcript, options := NULL) AS
    system.main._thano_scores(
        thano_scored_rows(
            reference,
            system.main.struct_extract(transcript, 'text'),
            system.main.struct_extract(transcript, 'duration'),
            system.main.struct_extract(transcript, 'error')
        ),
        options,
        {session}
    );

CREATE OR REPLACE TEMP MACRO thano_group_scores(reference, transcript, options := NULL) AS
    system.main._thano_group_scores(
        thano_scored_rows(
            reference,
            system.main.struct_extract(transcript, 'text'),
            system.main.struct_extract(transcript, 'duration'),
            system.main.struct_extract(transcript, 'error')
        ),
        options,
        {session}
    );

-- EVALUATE without the dialect.
CREATE OR REPLACE TEMP MACRO thano_evaluate(
    model, source, audio_col := 'audio_path', text_col := 'text', options := NULL
) AS TABLE
    SELECT unnest(
        thano_scores(
            reference,
            system.main._thano_transcribe(model, audio, options, NULL, NULL, NULL, 'thano_evaluate', {session}),
            options := options
        ),
        recursive := true
    )
    FROM (
        SELECT
            COLUMNS(system.main.list_filter(*, lambda c: system.main.lower(c) = system.main.lower(text_col))) AS reference,
            COLUMNS(system.main.list_filter(*, lambda c: system.main.lower(c) = system.main.lower(audio_col))) AS audio
        FROM system.main.query_table(source)
    );

-- BUILD and FIT: collects the rows as they come, each a struct, and returns a list of one struct of metrics per epoch.
CREATE OR REPLACE TEMP MACRO thano_build(name, base, options, example) AS
    system.main._thano_build(
        name,
        base,
        options,
        CAST(
            system.main.sum(
                system.main._thano_collect_rows(
                    name, base, options, example, system.main.current_query_id(), {session}
                )
            ) AS BIGINT
        ),
        system.main.current_query_id(),
        {session}
    );

-- BUILD LANGUAGE MODEL: collects the texts of the rows as they come, and returns a list of one struct of figures.
CREATE OR REPLACE TEMP MACRO thano_build_language_model(name, options, text) AS
    system.main._thano_build_language_model(
        name,
        options,
        system.main.list(
            DISTINCT system.main._thano_collect_text(name, options, text, system.main.current_query_id(), {session})
        ),
        system.main.count_star(),
        system.main.current_query_id(),
        {session}
    );

-- How odd a language model finds a text: 10 to the power of the mean of -log10 p of its words and its end.
CREATE OR REPLACE TEMP MACRO thano_perplexity(text, language_model) AS
    system.main._thano_perplexity(text, language_model, {session});

-- The metrics of the epochs that a model was trained for.
CREATE OR REPLACE TEMP MACRO thano_training(model) AS TABLE
    SELECT unnest(system.main._thano_training(model, {session}), recursive := true);

-- The registry. A macro that changes it does so once for each read; UPLOAD MODEL and the like read it at once.
CREATE OR REPLACE TEMP MACRO thano_models() AS TABLE
    SELECT unnest(system.main._thano_models({session}), recursive := true);

-- The processes and actors that transcribe, beside this process.
CREATE OR REPLACE TEMP MACRO thano_workers() AS TABLE
    SELECT unnest(system.main._thano_workers({session}), recursive := true);

-- Whether PREDICT and BUILD can use a model, by its name or folder, and what its files say of it.
CREATE OR REPLACE TEMP MACRO thano_check(model) AS TABLE
    SELECT unnest(system.main._thano_check(model, {session}), recursive := true);

-- DESCRIBE MODEL: what is known of a model, a row for each fact.
CREATE OR REPLACE TEMP MACRO thano_describe_model(model, is_language_model := NULL) AS TABLE
    SELECT unnest(system.main._thano_describe_model(model, is_language_model, {session}), recursive := true);

-- Our functions, with what function_comments.sql says of them.
CREATE OR REPLACE TEMP MACRO thano_functions() AS TABLE
    SELECT unnest(system.main._thano_functions({session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_datasets() AS TABLE
    SELECT unnest(system.main._thano_datasets({session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_upload_model(name, folder, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_upload_model(name, folder, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_upload_language_model(name, file, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_upload_language_model(name, file, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_delete_model(name, if_exists := false, is_language_model := NULL) AS TABLE
    SELECT unnest(
        system.main._thano_delete_model(name, if_exists, is_language_model, {session}), recursive := true
    );

CREATE OR REPLACE TEMP MACRO thano_get_model(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_model(name, options, {session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_get_dataset(name, options := '{}') AS TABLE
    SELECT unnest(system.main._thano_get_dataset(name, options, {session}), recursive := true);

-- The lasting cache of transcripts: a row for each model and decoder.
CREATE OR REPLACE TEMP MACRO thano_cache() AS TABLE
    SELECT unnest(system.main._thano_cache({session}), recursive := true);

CREATE OR REPLACE TEMP MACRO thano_delete_cache(model := NULL) AS TABLE
    SELECT unnest(system.main._thano_delete_cache(model, {session}), recursive := true);

-- SET thano_<name> = value, the value as JSON; NULL: RESET.
CREATE OR REPLACE TEMP MACRO thano_set(name, value := NULL) AS TABLE
    SELECT unnest(system.main._thano_set(name, value, {session}), recursive := true);

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
                        SELECT system.main.list(file)
                        FROM system.main.glob(system.main._thano_audio_pattern(location, {session}))
                    ),
                    {session}
                )
            ) AS audio_path
    );

-- What COPY reads of a location: all recordings, with a warning of those that cannot be read; only such ones are an error.
CREATE OR REPLACE TEMP MACRO thano_copied_audio(location) AS TABLE
    WITH found AS MATERIALIZED (FROM thano_audio(location))
    FROM found
    WHERE (
        SELECT
            system.main._thano_check_copied(
                system.main.count_star(),
                system.main.count(found.error),
                system.main.arg_min(found.audio_path, found.audio_path) FILTER (found.error IS NOT NULL),
                system.main.arg_min(found.error, found.audio_path) FILTER (found.error IS NOT NULL),
                {session}
            )
        FROM found
    );

-- The file of a table that COPY reads: as thano_file gives it; an empty one is an error.
CREATE OR REPLACE TEMP MACRO thano_copied_file(path) AS
    system.main._thano_copied_file(path, {session});

-- True: COPY may replace a table by what it found; no rows are an error.
CREATE OR REPLACE TEMP MACRO thano_check_rows(n_rows, path, instead) AS
    system.main._thano_check_rows(n_rows, path, instead, {session});

-- A file for DuckDB's readers, which take `call [1].csv` for a pattern although it exists.
CREATE OR REPLACE TEMP MACRO thano_file(path) AS
    system.main._thano_file(path, {session});

-- A LibriSpeech tree (speaker/chapter/speaker-chapter.trans.txt) as a table.
-- Format: the README of https://www.openslr.org/12
CREATE OR REPLACE TEMP MACRO thano_librispeech(root) AS TABLE
    SELECT
        system.main."||"(
            system.main.parse_dirpath(filename), system.main."||"(system.main."||"('/', utterance_id), '.flac')
        ) AS audio_path,
        text,
        system.main.list_extract(system.main.string_split(utterance_id, '-'), 1) AS speaker,
        COALESCE(system.main.list_extract(system.main.string_split(utterance_id, '-'), 2), '') AS chapter,
        utterance_id
    FROM (
        SELECT
            filename,
            system.main.list_extract(system.main.string_split(line, ' '), 1) AS utterance_id,
            system.main.trim(
                system.main.substr(line, system.main."+"(system.main.strpos(line, ' '), 1))
            ) AS text
        FROM (
            SELECT
                filename,
                unnest(
                    system.main.string_split(
                        system.main.replace(content, system.main.chr(13), ''), system.main.chr(10)
                    )
                ) AS line
            FROM system.main.read_text(system.main._thano_librispeech_texts(root, {session}))
        )
        WHERE line <> ''
    )
    ORDER BY utterance_id;
