-- case: the data set
GET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)
-- becomes
SELECT * FROM thano_get_dataset('librispeech_data', '{"overwrite": true}')

-- case: the table
COPY librispeech_train OPTIONS (if_exists='replace') FROM 'thanosql-dataset/librispeech_data/librispeech_train.csv'
-- becomes
SELECT "Count" FROM (SELECT system.main.count_star() AS "Count" FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_train.csv'))) WHERE thano_check_rows("Count", 'thanosql-dataset/librispeech_data/librispeech_train.csv', 'CREATE OR REPLACE TABLE librispeech_train AS FROM read_csv(''thanosql-dataset/librispeech_data/librispeech_train.csv'')'); CREATE OR REPLACE TABLE librispeech_train AS SELECT * FROM system.main.read_csv(thano_copied_file('thanosql-dataset/librispeech_data/librispeech_train.csv'))

-- case: the model
GET THANOSQL MODEL wav2vec2 OPTIONS (model_name='tutorial_audio_recognition', overwrite=True)
-- becomes
SELECT * FROM thano_get_model('wav2vec2', '{"model_name": "tutorial_audio_recognition", "overwrite": true}')

-- case: listening
PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path")) FROM (SELECT audio_path FROM librispeech_train LIMIT 3) AS _thano_rows

-- case: predicting
PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', batch_size=8) AS SELECT * FROM librispeech_train
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('tutorial_audio_recognition', _thano_rows."audio_path", '{"batch_size": 8}'), 'text') AS "predicted" FROM (SELECT * FROM librispeech_train) AS _thano_rows

-- case: building
BUILD MODEL my_speech_recognition_model USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text', max_epochs=1, batch_size=4, overwrite= True) AS SELECT * FROM librispeech_train
-- becomes
SELECT unnest(thano_build('my_speech_recognition_model', 'Wav2Vec2En', '{"batch_size": 4, "epochs": 1, "overwrite": true}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (SELECT * FROM librispeech_train) AS _thano_rows

-- case: predicting with the built model
PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path', result_col='predict_result') AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predict_result')))), system.main.struct_extract(thano_transcribe('my_speech_recognition_model', _thano_rows."audio_path"), 'text') AS "predict_result" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: Whisper
PREDICT USING tutorial_whisper_small OPTIONS (audio_col='audio_path', language='auto', task='translate', result_col='predict_result') AS SELECT * FROM korean_voice
-- refused: PREDICT has no option 'task': it belongs to Whisper models, which are not supported; a Wav2Vec2 model only transcribes.

-- case: continuing
FIT MODEL mymodel USING my_speech_recognition_model OPTIONS (max_epochs=1) AS SELECT * FROM librispeech_train
-- becomes
SELECT unnest(thano_build('mymodel', 'my_speech_recognition_model', '{"epochs": 1}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (SELECT * FROM librispeech_train) AS _thano_rows

-- case: evaluating
EVALUATE USING my_speech_recognition_model OPTIONS (text_col='text') AS SELECT * FROM librispeech_test
-- becomes
SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('my_speech_recognition_model', _thano_rows."audio_path")), recursive := true) FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: uploading
UPLOAD MODEL my_upload OPTIONS (framework='pytorch', overwrite=True) FROM 'trained_model'
-- becomes
SELECT * FROM thano_upload_model('my_upload', 'trained_model', '{"overwrite": true}')

-- case: deleting
DELETE MODEL mymodel
-- becomes
SELECT * FROM thano_delete_model('mymodel')

-- case: the list within a query
SELECT * FROM (LIST THANOSQL MODEL)
-- becomes
SELECT * FROM (SELECT * FROM thano_models())
