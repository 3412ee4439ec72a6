-- A call with a voice on each channel becomes a dialogue, in one statement.
-- Expects: a folder `recordings`, and a model called my_model (UPLOAD MODEL my_model FROM 'folder', or any name of LIST THANOSQL MODEL).

CREATE TABLE calls AS
    SELECT audio_path, channels FROM thano_audio('recordings') WHERE error IS NULL;

-- Which recordings have a voice of their own on each channel: two channels with the same signal count as one.
SELECT audio_path, channels, thano_channels(audio_path) AS own_signal FROM calls ORDER BY audio_path;

-- One row per turn. A table of names says who speaks on which channel.
WITH speakers AS (FROM (VALUES (1, 'agent'), (2, 'caller')) AS t (channel, speaker))
SELECT audio_path, turn, coalesce(speaker, 'channel ' || channel) AS speaker, round(start, 1) AS start, text
FROM (
    SELECT audio_path, unnest(thano_turns(channel, words), recursive := true)
    FROM (PREDICT USING my_model OPTIONS (channel='each', include='words') AS FROM calls)
    GROUP BY audio_path
)
LEFT JOIN speakers USING (channel)
ORDER BY audio_path, turn;
