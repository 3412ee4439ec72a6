-- How Wav2Vec2TinyEn, the small English model of this package, was trained, except for its last seven stages: see
-- train_tiny_model_spliced.sql, which uses the same database. The model card is next to the weights.
-- Expects the variable `corpora`: a folder that holds an4, kathleen_arctic and ljspeech_part1 (manifest.csv with audio_path, text,
-- speaker, split in each), and `synthetic`: the output of `python -m bundle.training_speech`. On two CPU cores it takes hours; if it is
-- run again, it continues after the last finished epoch:
--   python -m thano_duckdb training.duckdb --model-home models -c "SET VARIABLE corpora = '..'; SET VARIABLE synthetic = '..'"
--     -f bundle/train_tiny_model.sql

-- To which of `n_parts` parts, counted from 0, a text belongs; it is always the same.
CREATE OR REPLACE MACRO part_of(text, n_parts) AS ('0x' || left(md5(text), 8))::UBIGINT % n_parts;

-- One in ten sentences of the two readers is never trained on, however often it was recorded.
CREATE OR REPLACE MACRO held_out(text) AS part_of(thano_normalize(text), 10) = 0;

CREATE OR REPLACE TABLE speech AS
SELECT corpus, getvariable('corpora') || '/' || corpus || '/' || audio_path AS audio_path, text, speaker, is_held_out
FROM (
    SELECT 'an4' AS corpus, audio_path, text, speaker, split = 'test' AS is_held_out
    FROM read_csv(getvariable('corpora') || '/an4/manifest.csv')
    UNION ALL
    SELECT 'kathleen_arctic', audio_path, text, speaker, held_out(text)
    FROM read_csv(getvariable('corpora') || '/kathleen_arctic/manifest.csv')
    UNION ALL
    SELECT 'ljspeech_part1', audio_path, text, speaker, held_out(text)
    FROM read_csv(getvariable('corpora') || '/ljspeech_part1/manifest.csv')
)
UNION ALL
SELECT 'synthetic', getvariable('synthetic') || '/' || audio_path, text, speaker, false
FROM read_csv(getvariable('synthetic') || '/manifest.csv')
WHERE thano_normalize(text) NOT IN (
    SELECT thano_normalize(text) FROM read_csv(getvariable('corpora') || '/kathleen_arctic/manifest.csv') WHERE held_out(text)
);

-- The recordings of people that are not held out, repeated so many times in each epoch.
CREATE OR REPLACE MACRO people(an4, kathleen, lj) AS TABLE
SELECT audio_path, text
FROM speech, range(CASE corpus WHEN 'an4' THEN an4 WHEN 'kathleen_arctic' THEN kathleen ELSE lj END)
WHERE corpus <> 'synthetic' AND NOT is_held_out;

-- The given fifths of the synthetic clips, each clip once; of all speakers or of one.
CREATE OR REPLACE MACRO synthetic(fifths := [0, 1, 2, 3, 4], spoken_by := NULL) AS TABLE
SELECT audio_path, text
FROM speech
WHERE corpus = 'synthetic' AND part_of(text, 5) IN fifths AND (spoken_by IS NULL OR speaker = spoken_by);

-- People are repeated more often than synthetic voices, because there are fewer recordings of them.
CREATE OR REPLACE VIEW training_speech AS
FROM people(5, 3, 3) UNION ALL FROM synthetic();

BUILD MODEL tiny_en USING Wav2Vec2TinyEn
OPTIONS (from_scratch=True, epochs=8, learning_rate=1.2e-3, warmup_ratio=0.05, precision='bfloat16') AS
SELECT * FROM training_speech;

-- By now the model knows the letters of an4: from here on they are repeated less often.
CREATE OR REPLACE VIEW training_speech AS
FROM people(2, 3, 4) UNION ALL FROM synthetic();

FIT MODEL tiny_en_2 USING tiny_en
OPTIONS (epochs=6, learning_rate=9e-4, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- Now it has memorised the sentences of the two readers, but not yet the synthetic ones. (The weights that ship had frames of 20 ms and
-- GELU up to here; they were kept when the architecture in thano_duckdb/models/tiny.py got frames of 30 ms and ReLU.)
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 2, 2) UNION ALL FROM synthetic();

FIT MODEL tiny_en_3 USING tiny_en_2
OPTIONS (epochs=12, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- The same clips with augmentation, so that the model does not memorise them as well, and does not learn clean speech only:
FIT MODEL tiny_en_4 USING tiny_en_3
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.05, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- The times of the readers' words, for `python -m bundle.spliced_speech`.
COPY (
    SELECT audio_path, thano_normalize(text) AS text, speaker,
        [{'word': thano_normalize(word.word), 'start': word.start, 'end': word."end"} FOR word IN words] AS words
    FROM (
        PREDICT USING tiny_en_4 OPTIONS (include=['words']) AS
        SELECT * FROM speech WHERE NOT is_held_out AND corpus IN ('kathleen_arctic', 'ljspeech_part1')
    )
) TO 'readers.parquet';
