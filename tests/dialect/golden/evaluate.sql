-- case: over all rows
EVALUATE USING Wav2Vec2En AS SELECT * FROM librispeech_test
-- becomes
SELECT unnest(thano_scores(src."text", thano_transcribe('Wav2Vec2En', src."audio_path")), recursive := true) FROM (SELECT * FROM librispeech_test) AS src

-- case: for each speaker
EVALUATE USING mine@2 OPTIONS (by='speaker', text_col=text, batch_size=8) AS FROM librispeech_test
-- becomes
SELECT "speaker", unnest(thano_scores) FROM (SELECT src."speaker", thano_group_scores(src."text", thano_transcribe('mine@2', src."audio_path", '{"batch_size": 8}')) AS thano_scores FROM (FROM librispeech_test) AS src GROUP BY src."speaker") ORDER BY 1

-- case: for each speaker, on the transcripts of another model
EVALUATE USING m OPTIONS (by='speaker', text_col=predicted) AS PREDICT USING n AS FROM librispeech_test
-- becomes
SELECT "speaker", unnest(thano_scores) FROM (SELECT src."speaker", thano_group_scores(src."predicted", thano_transcribe('m', src."audio_path")) AS thano_scores FROM (SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('predicted'))), thano_transcribe('n', src."audio_path").text AS "predicted" FROM (FROM librispeech_test) AS src) AS src GROUP BY src."speaker") ORDER BY 1

-- case: by two columns
EVALUATE USING m OPTIONS (by=['speaker', "my text"]) AS SELECT *, 1 AS "my text" FROM librispeech_test
-- becomes
SELECT "speaker", "my text", unnest(thano_scores) FROM (SELECT src."speaker", src."my text", thano_group_scores(src."text", thano_transcribe('m', src."audio_path")) AS thano_scores FROM (SELECT *, 1 AS "my text" FROM librispeech_test) AS src GROUP BY src."speaker", src."my text") ORDER BY 1, 2

-- case: within a query
SELECT score FROM (EVALUATE USING Wav2Vec2En AS FROM librispeech_test) WHERE metric = 'clips'
-- becomes
SELECT score FROM (SELECT unnest(thano_scores(src."text", thano_transcribe('Wav2Vec2En', src."audio_path")), recursive := true) FROM (FROM librispeech_test) AS src) WHERE metric = 'clips'

-- case: of two models
(EVALUATE USING m AS FROM librispeech_test) UNION ALL (EVALUATE USING n AS FROM librispeech_test)
-- becomes
(SELECT unnest(thano_scores(src."text", thano_transcribe('m', src."audio_path")), recursive := true) FROM (FROM librispeech_test) AS src) UNION ALL (SELECT unnest(thano_scores(src."text", thano_transcribe('n', src."audio_path")), recursive := true) FROM (FROM librispeech_test) AS src)
