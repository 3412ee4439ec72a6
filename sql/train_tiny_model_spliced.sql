-- The last three stages of the training of Wav2Vec2TinyEn, after train_tiny_model.sql and with the same database and variables. Expects
-- also the variables `spliced_5`, `spliced_6`, `spliced_7`: what `python -m bundle.spliced_speech FOLDER readers.parquet` makes of the two
-- readers, with `--max-words 5`, with `--seed 1` and with `--seed 2`. (For the weights that ship they were cut where the stage before
-- heard the words.)

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

-- And undisturbed again: the readers, in other orders, and two in five of the machines' clips.
CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech, range(CASE WHEN corpus IN ('ljspeech_part1', 'kathleen_arctic') THEN 3 ELSE 1 END)
WHERE NOT is_held_out AND (corpus <> 'synthetic' OR ('0x' || left(md5(text), 8))::UBIGINT % 5 < 2)
UNION ALL
SELECT getvariable('spliced_7') || '/' || audio_path, text
FROM read_csv(getvariable('spliced_7') || '/manifest.csv');

FIT MODEL tiny_en_7 USING tiny_en_6
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

SELECT corpus, metric, round(score, 4) AS score
FROM (EVALUATE USING tiny_en_7 OPTIONS (by='corpus') AS SELECT * FROM speech WHERE is_held_out)
WHERE metric IN ('wer', 'cer', 'clips')
ORDER BY corpus, metric;
