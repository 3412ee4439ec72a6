-- case: over all rows
EVALUATE USING Wav2Vec2En AS SELECT * FROM librispeech_test
-- becomes
SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('Wav2Vec2En', _thano_rows."audio_path")), recursive := true) FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: for each speaker
EVALUATE USING mine@2 OPTIONS (by='speaker', text_col=text, batch_size=8) AS FROM librispeech_test
-- becomes
SELECT "speaker", unnest(_thano_scores) FROM (SELECT _thano_rows."speaker", thano_group_scores(_thano_rows."text", thano_transcribe('mine@2', _thano_rows."audio_path", '{"batch_size": 8}')) AS _thano_scores FROM (FROM librispeech_test) AS _thano_rows GROUP BY _thano_rows."speaker") ORDER BY 1

-- case: for each speaker, on the transcripts of another model
EVALUATE USING m OPTIONS (by='speaker', text_col=predicted) AS PREDICT USING n AS FROM librispeech_test
-- becomes
SELECT "speaker", unnest(_thano_scores) FROM (SELECT _thano_rows."speaker", thano_group_scores(_thano_rows."predicted", thano_transcribe('m', _thano_rows."audio_path")) AS _thano_scores FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('n', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) AS _thano_rows GROUP BY _thano_rows."speaker") ORDER BY 1

-- case: by two columns
EVALUATE USING m OPTIONS (by=['speaker', "my text"]) AS SELECT *, 1 AS "my text" FROM librispeech_test
-- becomes
SELECT "speaker", "my text", unnest(_thano_scores) FROM (SELECT _thano_rows."speaker", _thano_rows."my text", thano_group_scores(_thano_rows."text", thano_transcribe('m', _thano_rows."audio_path")) AS _thano_scores FROM (SELECT *, 1 AS "my text" FROM librispeech_test) AS _thano_rows GROUP BY _thano_rows."speaker", _thano_rows."my text") ORDER BY 1, 2

-- case: in the language of each row
EVALUATE USING mms OPTIONS (language_col='lang', by='lang') AS SELECT *, 'kor' AS lang FROM librispeech_test
-- becomes
SELECT "lang", unnest(_thano_scores) FROM (SELECT _thano_rows."lang", thano_group_scores(_thano_rows."text", thano_transcribe('mms', _thano_rows."audio_path", language := CAST(_thano_rows."lang" AS VARCHAR))) AS _thano_scores FROM (SELECT *, 'kor' AS lang FROM librispeech_test) AS _thano_rows GROUP BY _thano_rows."lang") ORDER BY 1

-- case: within a query
SELECT score FROM (EVALUATE USING Wav2Vec2En AS FROM librispeech_test) WHERE metric = 'clips'
-- becomes
SELECT score FROM (SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('Wav2Vec2En', _thano_rows."audio_path")), recursive := true) FROM (FROM librispeech_test) AS _thano_rows) WHERE metric = 'clips'

-- case: of two models
(EVALUATE USING m AS FROM librispeech_test) UNION ALL (EVALUATE USING n AS FROM librispeech_test)
-- becomes
(SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('m', _thano_rows."audio_path")), recursive := true) FROM (FROM librispeech_test) AS _thano_rows) UNION ALL (SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('n', _thano_rows."audio_path")), recursive := true) FROM (FROM librispeech_test) AS _thano_rows)

-- case: how texts are compared is no matter of the model
EVALUATE USING m OPTIONS (unit='word', ignore_spaces=True, locale='TR', batch_size=4) AS FROM librispeech_test
-- becomes
SELECT unnest(thano_scores(_thano_rows."text", thano_transcribe('m', _thano_rows."audio_path", '{"batch_size": 4}'), options := '{"ignore_spaces": true, "locale": "tr", "unit": "word"}'), recursive := true) FROM (FROM librispeech_test) AS _thano_rows

-- case: each channel has no text of its own
EVALUATE USING Wav2Vec2En OPTIONS (channel='each') AS FROM librispeech_test
-- refused: The option 'channel' must be 'mix' or a whole number from 1 to 1024, not 'each': each row has one text, so name the channel that it belongs to.
