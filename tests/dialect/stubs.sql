-- Stand-ins for the functions that the package registers: the same names, arguments and columns, no model.
CREATE MACRO thano_transcribe(model, audio, options := '{}', hotwords := NULL, channel := NULL, language := NULL) AS {
    'text': CASE WHEN audio IS NOT NULL THEN concat(model, ' hears ', audio, channel) END,
    'confidence': 0.9,
    'duration': 1.5,
    'words': [{'word': 'a', 'start': 0.0, 'end': 0.5, 'confidence': 0.9}],
    'error': options,
    'alternatives': [{'text': 'a', 'score': -1.5}],
    'hotwords': [{'hotword': hotwords[1], 'start': 0.0, 'end': 0.5, 'problem': NULL}]
};
CREATE MACRO thano_channels(audio, options := NULL) AS CASE WHEN audio IS NULL THEN [NULL] ELSE [1, 2] END;
CREATE MACRO thano_keeps(name, added) AS
    NOT list_contains(list_transform(added, lambda a: lower(a)), lower(name));
CREATE MACRO thano_audio_info(audio, options := NULL) AS {'duration': 1.5, 'format': split_part(audio, '.', -1), 'error': NULL};
CREATE MACRO thano_scores(reference, transcript, options := NULL) AS
    [{'metric': 'wer', 'score': count(reference) - count(transcript.text)}];
CREATE MACRO thano_group_scores(reference, transcript, options := NULL) AS
    {'wer': count(reference) - count(transcript.text), 'clips': count(*)};
CREATE MACRO thano_planned(model, audio, present, options, kind, own_columns) AS [
    {'item': 'rows', 'value': count(*), 'low': count(present), 'high': count(DISTINCT audio), 'text': NULL},
    {
        'item': 'arguments',
        'value': NULL,
        'low': NULL,
        'high': NULL,
        'text': concat_ws(' ', model, options, kind, own_columns)
    }
];
CREATE MACRO thano_plan(model, source, audio_col := 'audio_path', options := NULL) AS TABLE
    SELECT 'rows' AS item, count(*)::DOUBLE AS value FROM query_table(source);
CREATE MACRO thano_build(name, base, options, example) AS
    [{'model': name, 'base': base, 'options': options, 'epoch': 1, 'audio_hours': count(example)}];
CREATE MACRO thano_build_language_model(name, options, text) AS
    [{'model': name, 'options': options, 'sentences': count(text)}];
CREATE MACRO thano_models() AS TABLE
    SELECT * FROM (
        VALUES
            ('Wav2Vec2En', NULL, 'built-in', NULL, NULL, NULL, 'English'),
            ('mine', 2, 'built', 'Wav2Vec2En', now(), '/models/mine', NULL)
    ) AS t (name, version, kind, base, created, path, description);
CREATE MACRO thano_describe_model(model, is_language_model := NULL) AS TABLE SELECT 'name' AS property, model AS value;
CREATE MACRO thano_functions() AS TABLE SELECT 'thano_wer' AS function_name;
CREATE MACRO thano_workers() AS TABLE SELECT 'worker 1' AS worker, 'ready' AS state;
CREATE MACRO thano_datasets() AS TABLE SELECT 'librispeech_data' AS name, 'audio' AS data_type;
CREATE MACRO thano_audio(location) AS TABLE SELECT location || '/a.wav' AS audio_path, 1.5 AS duration;
CREATE MACRO thano_copied_audio(location) AS TABLE FROM thano_audio(location);
CREATE MACRO thano_copied_file(path) AS path;
CREATE MACRO thano_check_rows(n_rows, path, instead) AS true;
CREATE MACRO thano_get_model(name, options) AS TABLE SELECT name AS name, options AS options;
CREATE MACRO thano_get_dataset(name, options) AS TABLE SELECT name AS name, options AS options;
CREATE MACRO thano_upload_model(name, folder, options) AS TABLE
    SELECT name AS name, folder AS folder, options AS options;
CREATE MACRO thano_upload_language_model(name, file, options) AS TABLE
    SELECT name AS name, file AS file, options AS options;
CREATE MACRO thano_delete_model(name, if_exists := false, is_language_model := NULL) AS TABLE SELECT name AS name, [1, 2] AS versions;

CREATE TABLE librispeech_test (audio_path VARCHAR, text VARCHAR, speaker VARCHAR);
INSERT INTO librispeech_test VALUES
    ('a.wav', 'one', 'ann'), ('b.wav', 'two', 'bob'), (NULL, 'three', 'ann'), ('d.wav', 'four', 'dan');
CREATE TABLE librispeech_train AS FROM librispeech_test;
CREATE TABLE korean_voice AS FROM librispeech_test;
CREATE TABLE calls (id INTEGER, recording VARCHAR, "my audio" VARCHAR);
INSERT INTO calls VALUES (1, 'x.wav', 'y.wav');
CREATE TABLE heard (audio_path VARCHAR, text VARCHAR, speaker VARCHAR, predicted VARCHAR);
CREATE SCHEMA archive;
CREATE MACRO thano_set(name, value := NULL) AS TABLE SELECT name AS name, value AS value;
CREATE MACRO thano_delete_cache(model := NULL) AS TABLE SELECT model AS model, 1 AS clips;
