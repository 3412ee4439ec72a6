-- case: the table of the first tutorial
COPY librispeech_train OPTIONS(overwrite =True) FROM "thanosql-dataset/librispeech_data/librispeech_train.csv"
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_train.csv'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/librispeech_train.csv', 'CREATE OR REPLACE TABLE librispeech_train AS FROM read_csv(''thanosql-dataset/librispeech_data/librispeech_train.csv'')'); CREATE OR REPLACE TABLE librispeech_train AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_train.csv'))

-- case: the second table
COPY librispeech_test
OPTIONS(overwrite =True)
FROM "thanosql-dataset/librispeech_data/librispeech_test.csv"
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_test.csv'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/librispeech_test.csv', 'CREATE OR REPLACE TABLE librispeech_test AS FROM read_csv(''thanosql-dataset/librispeech_data/librispeech_test.csv'')'); CREATE OR REPLACE TABLE librispeech_test AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_test.csv'))





-- case: listening
PRINT AUDIO AS
SELECT audio_path FROM librispeech_train LIMIT 5
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path")) FROM (
SELECT audio_path FROM librispeech_train LIMIT 5) AS _thano_rows

-- case: a built-in model, with options of training that have no effect
PREDICT USING tutorial_audio_recognition
OPTIONS (
    audio_col='audio_path',
    text_col='text',
    epochs=1,
    batch_size=4
    )
AS
SELECT *
FROM librispeech_test
LIMIT 100
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('tutorial_audio_recognition', _thano_rows."audio_path", '{"batch_size": 4}'), 'text') AS "predicted" FROM (







SELECT *
FROM librispeech_test
LIMIT 100) AS _thano_rows

-- case: building
BUILD MODEL my_speech_recognition_model
USING Wav2Vec2En
OPTIONS (
    audio_col='audio_path',
    text_col='text',
    epochs=1,
    batch_size=4,
    overwrite =True
    )
AS
SELECT *
FROM librispeech_train
-- becomes
SELECT unnest(thano_build('my_speech_recognition_model', 'Wav2Vec2En', '{"batch_size": 4, "epochs": 1, "overwrite": true}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (









SELECT *
FROM librispeech_train) AS _thano_rows

-- case: the built model
PREDICT USING my_speech_recognition_model
OPTIONS (
    audio_col='audio_path',
    text_col='text',
    epochs=1,
    batch_size=4
    )
AS
SELECT *
FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('my_speech_recognition_model', _thano_rows."audio_path", '{"batch_size": 4}'), 'text') AS "predicted" FROM (







SELECT *
FROM librispeech_test) AS _thano_rows

-- case: of May 2022, without OPTIONS
PREDICT USING my_asr_model AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('my_asr_model', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows
