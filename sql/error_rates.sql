-- How good a model is on utterances with a reference text: overall, by speaker, and where it is worst.
-- Expects: `recordings/manifest.csv` with audio_path, text, speaker; and a model called my_model.

COPY utterances OPTIONS (overwrite=True) FROM 'recordings/manifest.csv';

CREATE OR REPLACE TABLE transcripts AS
    PREDICT USING my_model OPTIONS (audio_col='audio_path', result_col='hypothesis') AS
    SELECT 'recordings/' || audio_path AS audio_path, text AS reference, speaker FROM utterances;

SELECT round(thano_wer(reference, hypothesis), 3) AS wer, round(thano_cer(reference, hypothesis), 3) AS cer
FROM transcripts;

SELECT speaker, count(*) AS utterances, round(thano_wer(reference, hypothesis), 3) AS wer
FROM transcripts
GROUP BY speaker
ORDER BY wer DESC;

WITH compared AS (
    SELECT reference, hypothesis, thano_word_errors(reference, hypothesis) AS errors FROM transcripts
)
SELECT reference, hypothesis, errors
FROM compared
WHERE errors.hits < errors.length OR errors.insertions > 0
ORDER BY errors.substitutions + errors.deletions + errors.insertions DESC
LIMIT 5;
