-- case: only a query
PREDICT USING Wav2Vec2En AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: any case, FROM first, a semicolon
predict using Wav2Vec2En as from librispeech_test;
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (from librispeech_test) AS _thano_rows;

-- case: a query in parentheses
PREDICT USING Wav2Vec2En AS (SELECT * FROM librispeech_test)
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM ((SELECT * FROM librispeech_test)) AS _thano_rows

-- case: VALUES
PREDICT USING Wav2Vec2En OPTIONS (audio_col=col0) AS VALUES ('a.wav'), ('b.wav')
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."col0"), 'text') AS "predicted" FROM (VALUES ('a.wav'), ('b.wav')) AS _thano_rows

-- case: TABLE
PREDICT USING Wav2Vec2En OPTIONS () AS TABLE librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (TABLE librispeech_test) AS _thano_rows

-- case: a version, and options in any order
PREDICT USING mine@2 OPTIONS (precision=int8, on_error='fail', device="cpu", batch_size=16) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('mine@2', _thano_rows."audio_path", '{"batch_size": 16, "device": "cpu", "on_error": "fail", "precision": "int8"}'), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows

-- case: a hyphenated name and another result column
PREDICT USING wav2vec2-base-960h.v1 OPTIONS (result_col='what was "said"') AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('what was "said"')))), system.main.struct_extract(thano_transcribe('wav2vec2-base-960h.v1', _thano_rows."audio_path"), 'text') AS "what was ""said""" FROM (FROM librispeech_test) AS _thano_rows

-- case: a folder as the model
PREDICT USING '../models/an4''s' OPTIONS (audio_col='my audio') AS FROM calls
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('../models/an4''s', _thano_rows."my audio"), 'text') AS "predicted" FROM (FROM calls) AS _thano_rows

-- case: a model of the hub in double quotes
PREDICT USING "hf://facebook/wav2vec2-base-960h" OPTIONS (audio_col=recording) AS FROM calls
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('hf://facebook/wav2vec2-base-960h', _thano_rows."recording"), 'text') AS "predicted" FROM (FROM calls) AS _thano_rows

-- case: one more column
PREDICT USING Wav2Vec2En OPTIONS (include=confidence) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'confidence')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'confidence') AS "confidence" FROM (FROM librispeech_test) AS _thano_rows

-- case: every column
PREDICT USING Wav2Vec2En OPTIONS (include=['confidence', "words", duration, 'ERROR'], batch_size=2) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'confidence', 'words', 'duration', 'error')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"batch_size": 2}'), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"batch_size": 2}'), 'confidence') AS "confidence", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"batch_size": 2}'), 'words') AS "words", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"batch_size": 2}'), 'duration') AS "duration", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"batch_size": 2}'), 'error') AS "error" FROM (FROM librispeech_test) AS _thano_rows

-- case: all that takes no more time
PREDICT USING m OPTIONS (include='all') AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'confidence', 'words', 'duration', 'error')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'confidence') AS "confidence", system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'words') AS "words", system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'duration') AS "duration", system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'error') AS "error" FROM (FROM librispeech_test) AS _thano_rows

-- case: NULL is the default
PREDICT USING Wav2Vec2En OPTIONS (audio_col=None, batch_size=NULL, include=null, result_col=NULL) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows

-- case: comments everywhere
/* first */ PREDICT /* a */ USING -- b
    Wav2Vec2En -- it is the base
AS -- the query
SELECT * FROM librispeech_test -- PREDICT USING nothing AS
-- becomes
/* first */ SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (

-- the query
SELECT * FROM librispeech_test) AS _thano_rows -- PREDICT USING nothing AS

-- case: the query's own comment at its end
SELECT count(*) FROM (PREDICT USING Wav2Vec2En AS SELECT * FROM librispeech_test -- all of them
) WHERE predicted IS NOT NULL
-- becomes
SELECT count(*) FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT * FROM librispeech_test) AS _thano_rows -- all of them
) WHERE predicted IS NOT NULL

-- case: text that only looks like ours
PREDICT USING Wav2Vec2En AS SELECT *, $$;PREDICT USING x AS ($$ AS predict, E'\'(' AS build FROM librispeech_test list
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (SELECT *, $$;PREDICT USING x AS ($$ AS predict, E'\'(' AS build FROM librispeech_test list) AS _thano_rows

-- case: not in ASCII
PREDICT USING 모델 OPTIONS (result_col='전사') AS SELECT *, '가;(' AS "ö" FROM librispeech_test WHERE text <> 'é'
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('전사')))), system.main.struct_extract(thano_transcribe('모델', _thano_rows."audio_path"), 'text') AS "전사" FROM (SELECT *, '가;(' AS "ö" FROM librispeech_test WHERE text <> 'é') AS _thano_rows

-- case: one word per line, so that DuckDB's line numbers stay right
PREDICT
USING
Wav2Vec2En
AS
SELECT
* FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path"), 'text') AS "predicted" FROM (



SELECT
* FROM librispeech_test) AS _thano_rows

-- case: a language model, hotwords and alternatives
PREDICT USING Wav2Vec2En OPTIONS (language_model='calls', lm_weight=0.5, word_score=-1, beam_width=50, hotwords=['Pierre', "New York"], hotword_weight=8, hotwords_col='names', include=['alternatives', 'hotwords'], n_best=2) AS SELECT *, [text] AS names FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'alternatives', 'hotwords')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"beam_width": 50, "hotword_weight": 8.0, "hotwords": ["Pierre", "New York"], "language_model": "calls", "lm_weight": 0.5, "n_best": 2, "word_score": -1.0}', hotwords := _thano_rows."names"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"beam_width": 50, "hotword_weight": 8.0, "hotwords": ["Pierre", "New York"], "language_model": "calls", "lm_weight": 0.5, "n_best": 2, "word_score": -1.0}', hotwords := _thano_rows."names"), 'alternatives') AS "alternatives", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"beam_width": 50, "hotword_weight": 8.0, "hotwords": ["Pierre", "New York"], "language_model": "calls", "lm_weight": 0.5, "n_best": 2, "word_score": -1.0}', hotwords := _thano_rows."names"), 'hotwords') AS "hotwords" FROM (SELECT *, [text] AS names FROM librispeech_test) AS _thano_rows

-- case: no language model, five alternatives, and the hotwords of a column that the new one replaces
PREDICT USING Wav2Vec2En OPTIONS (language_model=None, hotwords_col=hotwords, include=['hotwords', 'alternatives']) AS SELECT *, [text] AS hotwords FROM librispeech_test
-- becomes
SELECT _thano_rows.* EXCLUDE ("hotwords"), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"language_model": null, "n_best": 5}', hotwords := _thano_rows."hotwords"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"language_model": null, "n_best": 5}', hotwords := _thano_rows."hotwords"), 'hotwords') AS "hotwords", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"language_model": null, "n_best": 5}', hotwords := _thano_rows."hotwords"), 'alternatives') AS "alternatives" FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'alternatives')))) FROM (SELECT *, [text] AS hotwords FROM librispeech_test)) AS _thano_rows

-- case: a language for each row, in a column that the new one replaces, and one for the others
PREDICT USING mms OPTIONS (language='kor', language_col=lang, result_col=lang) AS SELECT audio_path, 'eng' AS lang FROM librispeech_test
-- becomes
SELECT _thano_rows.* EXCLUDE ("lang"), system.main.struct_extract(thano_transcribe('mms', _thano_rows."audio_path", '{"language": "kor"}', language := CAST(_thano_rows."lang" AS VARCHAR)), 'text') AS "lang" FROM (SELECT audio_path, 'eng' AS lang FROM librispeech_test) AS _thano_rows

-- case: paths from the folder of a file, and a part of each recording
PREDICT USING Wav2Vec2En OPTIONS (audio_col=recording, relative_to='my audio', start=1, stop=2.5) AS FROM calls
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', system.main.struct_pack(audio := _thano_rows."recording", relative_to := _thano_rows."my audio"), '{"start": 1.0, "stop": 2.5}'), 'text') AS "predicted" FROM (FROM calls) AS _thano_rows

-- case: one channel
PREDICT USING Wav2Vec2En OPTIONS (channel=2) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"channel": 2}'), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows

-- case: a row for each channel
PREDICT USING Wav2Vec2En OPTIONS (channel='each', max_duration=60) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio_path", '{"max_duration": 60.0}', channel := _thano_rows."channel"), 'text') AS "predicted" FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('channel')))), unnest(thano_channels(_thano_rows."audio_path", '{"max_duration": 60.0}')) AS "channel" FROM (FROM librispeech_test) AS _thano_rows) AS _thano_rows

-- case: a row for each channel of calls whose channel column is replaced
SELECT * FROM (predict using Wav2Vec2En options (channel=EACH, audio_col=audio, hotwords_col=hotwords, include=['hotwords', 'words']) as SELECT audio_path AS audio, [text] AS hotwords, 5 AS Channel FROM librispeech_test)
-- becomes
SELECT * FROM (SELECT _thano_rows.* EXCLUDE ("hotwords"), system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio", hotwords := _thano_rows."hotwords", channel := _thano_rows."channel"), 'text') AS "predicted", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio", hotwords := _thano_rows."hotwords", channel := _thano_rows."channel"), 'hotwords') AS "hotwords", system.main.struct_extract(thano_transcribe('Wav2Vec2En', _thano_rows."audio", hotwords := _thano_rows."hotwords", channel := _thano_rows."channel"), 'words') AS "words" FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted', 'words')))) FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('channel')))), unnest(thano_channels(_thano_rows."audio")) AS "channel" FROM (SELECT audio_path AS audio, [text] AS hotwords, 5 AS Channel FROM librispeech_test) AS _thano_rows)) AS _thano_rows)

-- case: the column of audio has the name of the column of channels
PREDICT USING Wav2Vec2En OPTIONS (audio_col=Channel, channel=each) AS FROM calls
-- refused: channel='each' adds a column 'channel', so audio_col must be another one

-- case: the transcript cannot be called channel where each channel has a row
PREDICT USING Wav2Vec2En OPTIONS (result_col='channel', channel=each) AS FROM calls
-- refused: channel='each' adds a column 'channel', so result_col must be another one

-- case: channels are counted from 1
PREDICT USING Wav2Vec2En OPTIONS (channel=0) AS FROM calls
-- refused: The option 'channel' must be 'mix', 'each' or a whole number from 1 to 1024, not 0: channels are counted from 1, which is the left one of two.
