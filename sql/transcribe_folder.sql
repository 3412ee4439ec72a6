-- Turn a folder of recordings into a table of transcripts, and list the least confident first.
-- Expects: a folder `recordings`, and a model called my_model (UPLOAD MODEL my_model FROM 'folder', or any name of LIST THANOSQL MODEL).

CREATE TABLE recordings AS
    SELECT audio_path, sample_rate, channels FROM thano_audio('recordings') WHERE error IS NULL;

PRINT AUDIO AS SELECT audio_path FROM recordings LIMIT 3;

CREATE TABLE transcripts AS
    PREDICT USING my_model OPTIONS (audio_col='audio_path', include=['confidence', 'words', 'duration', 'error']) AS
    SELECT * FROM recordings;

SELECT parse_filename(audio_path) AS clip, predicted, round(confidence, 2) AS confidence
FROM transcripts
ORDER BY transcripts.confidence
LIMIT 10;

-- Every word with its time, the least confident first.
SELECT parse_filename(audio_path) AS clip, spoken.word, spoken.start, spoken."end", round(spoken.confidence, 2) AS confidence
FROM transcripts, unnest(words) AS w(spoken)
ORDER BY spoken.confidence
LIMIT 10;
