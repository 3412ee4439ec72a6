-- case: the default column
PRINT AUDIO AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error'))), unnest(thano_audio_info(src."audio_path")) FROM (SELECT * FROM librispeech_test) AS src

-- case: another column
PRINT AUDIO OPTIONS (audio_col='my audio') AS (SELECT * FROM calls)
-- becomes
SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error'))), unnest(thano_audio_info(src."my audio")) FROM ((SELECT * FROM calls)) AS src

-- case: after a WITH list
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') PRINT AUDIO AS SELECT * FROM ann LIMIT 1
-- becomes
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error'))), unnest(thano_audio_info(src."audio_path")) FROM (SELECT * FROM ann LIMIT 1) AS src

-- case: over transcripts
PRINT AUDIO AS SELECT * FROM (PREDICT USING m AS FROM librispeech_test) WHERE predicted IS NOT NULL
-- becomes
SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error'))), unnest(thano_audio_info(src."audio_path")) FROM (SELECT * FROM (SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('predicted'))), thano_transcribe('m', src."audio_path").text AS "predicted" FROM (FROM librispeech_test) AS src) WHERE predicted IS NOT NULL) AS src

-- case: limits on reading a clip, of which NULL lifts one
PRINT AUDIO OPTIONS (timeout=5, max_bytes=NULL) AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error'))), unnest(thano_audio_info(src."audio_path", '{"max_bytes": null, "timeout": 5.0}')) FROM (SELECT * FROM librispeech_test) AS src
