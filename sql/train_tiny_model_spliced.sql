-- The last stage of the training of Wav2Vec2TinyEn, after train_tiny_model.sql and with the same database and variables. Expects also
-- the variable `spliced`: what `python -m bundle.spliced_speech FOLDER readers.parquet --max-words 5` makes of the two readers.

-- The weights that ship came here by other synthetic speech, of fewer voices (see the card).
CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech, range(CASE corpus WHEN 'synthetic' THEN 1 ELSE 2 END)
WHERE NOT is_held_out
UNION ALL
SELECT getvariable('spliced') || '/' || audio_path, text
FROM read_csv(getvariable('spliced') || '/manifest.csv');

FIT MODEL tiny_en_5 USING tiny_en_4
OPTIONS (epochs=3, learning_rate=1e-3, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

SELECT corpus, metric, round(score, 4) AS score
FROM (EVALUATE USING tiny_en_5 OPTIONS (by='corpus') AS SELECT * FROM speech WHERE is_held_out)
WHERE metric IN ('wer', 'cer', 'clips')
ORDER BY corpus, metric;
