-- The last two stages of the training of Wav2Vec2TinyEn, after train_tiny_model.sql and with the same database and variables. Expects
-- also the variables `spliced_5` and `spliced_6`: what `python -m bundle.spliced_speech FOLDER readers.parquet` makes of the two
-- readers, with `--max-words 5` and with `--max-words 3 --seed 1`. (For the weights that ship they were cut where the stage before heard
-- the words.)

-- The weights that ship came here by other synthetic speech, of fewer voices (see the card).
CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech, range(CASE corpus WHEN 'synthetic' THEN 1 ELSE 2 END)
WHERE NOT is_held_out
UNION ALL
SELECT getvariable('spliced_5') || '/' || audio_path, text
FROM read_csv(getvariable('spliced_5') || '/manifest.csv');

FIT MODEL tiny_en_5 USING tiny_en_4
OPTIONS (epochs=3, learning_rate=1e-3, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- All of it slower, faster, in rooms, by telephone and in noise; and the readers in shorter pieces, for by now the model has the others by
-- heart.
CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech
WHERE NOT is_held_out
UNION ALL
SELECT getvariable('spliced_6') || '/' || audio_path, text
FROM read_csv(getvariable('spliced_6') || '/manifest.csv');

FIT MODEL tiny_en_6 USING tiny_en_5
OPTIONS (epochs=5, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

SELECT corpus, metric, round(score, 4) AS score
FROM (EVALUATE USING tiny_en_6 OPTIONS (by='corpus') AS SELECT * FROM speech WHERE is_held_out)
WHERE metric IN ('wer', 'cer', 'clips')
ORDER BY corpus, metric;
