-- case: the default column
PRINT AUDIO AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path")) FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: another column
PRINT AUDIO OPTIONS (audio_col='my audio') AS (SELECT * FROM calls)
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."my audio")) FROM ((SELECT * FROM calls)) AS _thano_rows

-- case: after a WITH list
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') PRINT AUDIO AS SELECT * FROM ann LIMIT 1
-- becomes
WITH ann AS (SELECT * FROM librispeech_test WHERE speaker = 'ann') SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path")) FROM (SELECT * FROM ann LIMIT 1) AS _thano_rows

-- case: over transcripts
PRINT AUDIO AS SELECT * FROM (PREDICT USING m AS FROM librispeech_test) WHERE predicted IS NOT NULL
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path")) FROM (SELECT * FROM (SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('predicted')))), system.main.struct_extract(thano_transcribe('m', _thano_rows."audio_path"), 'text') AS "predicted" FROM (FROM librispeech_test) AS _thano_rows) WHERE predicted IS NOT NULL) AS _thano_rows

-- case: limits on reading a clip, of which NULL lifts one
PRINT AUDIO OPTIONS (timeout=5, max_bytes=NULL) AS SELECT * FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path", '{"max_bytes": null, "timeout": 5.0}')) FROM (SELECT * FROM librispeech_test) AS _thano_rows

-- case: one channel
PRINT AUDIO OPTIONS (channel=1) AS FROM librispeech_test
-- becomes
SELECT COLUMNS(system.main.list_filter(*, lambda c: thano_keeps(c, system.main.list_value('duration', 'sample_rate', 'channels', 'frames', 'format', 'subtype', 'error')))), unnest(thano_audio_info(_thano_rows."audio_path", '{"channel": 1}')) FROM (FROM librispeech_test) AS _thano_rows

-- case: a player plays one sound
PRINT AUDIO OPTIONS (channel='each') AS FROM librispeech_test
-- refused: The option 'channel' must be 'mix' or a whole number from 1 to 1024, not 'each': a player plays the mix or one channel, so name the one to listen to.
