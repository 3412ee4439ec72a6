-- case: a model from a query
BUILD MODEL mine USING Wav2Vec2En AS SELECT * FROM librispeech_train
-- becomes
SELECT unnest(thano_build('mine', 'Wav2Vec2En', '{}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (SELECT * FROM librispeech_train) AS _thano_rows

-- case: every option of training
BUILD MODEL "mine-2" USING Wav2Vec2TinyEn OPTIONS (
    audio_col=recording, text_col="my audio", epochs=30, batch_size=4, learning_rate=1e-3, validation_split=.1, seed=7,
    warmup_ratio=0, freeze_feature_encoder=False, mask_time_prob=0.0, from_scratch=true, gradient_accumulation=2,
    resume=False, overwrite=True, on_error='fail', device=cpu, precision=float32
) AS FROM calls
-- becomes
SELECT unnest(thano_build('mine-2', 'Wav2Vec2TinyEn', '{"batch_size": 4, "device": "cpu", "epochs": 30, "freeze_feature_encoder": false, "from_scratch": true, "gradient_accumulation": 2, "learning_rate": 0.001, "mask_time_prob": 0.0, "on_error": "fail", "overwrite": true, "precision": "float32", "resume": false, "seed": 7, "validation_split": 0.1, "warmup_ratio": 0.0}', system.main.struct_pack(audio := _thano_rows."recording", text := _thano_rows."my audio")), recursive := true) FROM (



FROM calls) AS _thano_rows

-- case: the best epoch, an early stop, and speakers held out as a whole
BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (validation_split=.2, split_by="the speaker", keep='Best', patience=3) AS
SELECT *, speaker AS "the speaker" FROM librispeech_train
-- becomes
SELECT unnest(thano_build('mine', 'Wav2Vec2TinyEn', '{"keep": "best", "patience": 3, "validation_split": 0.2}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text", "group" := CAST(_thano_rows."the speaker" AS VARCHAR))), recursive := true) FROM (
SELECT *, speaker AS "the speaker" FROM librispeech_train) AS _thano_rows

-- case: after a WITH list
WITH a AS (FROM librispeech_train) BUILD MODEL mine USING Wav2Vec2En AS FROM a
-- becomes
WITH a AS (FROM librispeech_train) SELECT unnest(thano_build('mine', 'Wav2Vec2En', '{}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (FROM a) AS _thano_rows

-- case: on transcripts that another model is confident of
BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (text_col='predicted') AS
SELECT * FROM (PREDICT USING Wav2Vec2En OPTIONS (include=confidence) AS FROM librispeech_train) WHERE confidence > 0.8
-- becomes
SELECT unnest(thano_build('mine', 'Wav2Vec2TinyEn', '{}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."predicted")), recursive := true) FROM (
SELECT * FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'confidence')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'confidence') AS "confidence" FROM (FROM librispeech_train) AS _thano_rows) WHERE confidence > 0.8) AS _thano_rows

-- case: continuing from a version
FIT MODEL mine USING mine@3 OPTIONS (max_epochs=1) AS FROM librispeech_train
-- becomes
SELECT unnest(thano_build('mine', 'mine@3', '{"epochs": 1}', system.main.struct_pack(audio := _thano_rows."audio_path", text := _thano_rows."text")), recursive := true) FROM (FROM librispeech_train) AS _thano_rows
