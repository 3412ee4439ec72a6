-- The last five stages of the training of Wav2Vec2TinyEn, after train_tiny_model.sql and with the same database and variables. Expects
-- also the variables `spliced_5` to `spliced_9`: what `python -m bundle.spliced_speech FOLDER readers.parquet` makes of the two readers,
-- with `--max-words 5`, `--seed 1`, `--seed 2`, `--seed 3 --hours 5` and `--seed 4`, and `book`: what `python -m bundle.training_speech`
-- speaks of another text. (For the weights that ship they were cut where the last stage that was not augmented heard the words.)

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

-- The machines read another book, and the readers say more; all of it disturbed.
CREATE OR REPLACE VIEW speech_and_book AS
FROM speech
UNION ALL
SELECT 'book', getvariable('book') || '/' || audio_path, text, speaker, false
FROM read_csv(getvariable('book') || '/manifest.csv');

CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech_and_book, range(CASE corpus WHEN 'kathleen_arctic' THEN 2 ELSE 1 END)
WHERE NOT is_held_out AND (corpus <> 'synthetic' OR ('0x' || left(md5(text), 8))::UBIGINT % 5 > 2)
UNION ALL
SELECT getvariable('spliced_8') || '/' || audio_path, text
FROM read_csv(getvariable('spliced_8') || '/manifest.csv');

FIT MODEL tiny_en_8 USING tiny_en_7
OPTIONS (epochs=4, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- And undisturbed again.
CREATE OR REPLACE VIEW training_speech AS
SELECT audio_path, text
FROM speech_and_book, range(CASE WHEN corpus IN ('ljspeech_part1', 'kathleen_arctic') THEN 3 ELSE 1 END)
WHERE NOT is_held_out AND (corpus NOT IN ('synthetic', 'book') OR ('0x' || left(md5(text), 8))::UBIGINT % 5 IN (1, 2))
UNION ALL
SELECT getvariable('spliced_9') || '/' || audio_path, text
FROM read_csv(getvariable('spliced_9') || '/manifest.csv');

FIT MODEL tiny_en_9 USING tiny_en_8
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

SELECT corpus, metric, round(score, 4) AS score
FROM (EVALUATE USING tiny_en_9 OPTIONS (by='corpus') AS SELECT * FROM speech WHERE is_held_out)
WHERE metric IN ('wer', 'cer', 'clips')
ORDER BY corpus, metric;
