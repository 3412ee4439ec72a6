-- The last seven stages of the training of Wav2Vec2TinyEn, after train_tiny_model.sql and with the same database and variables. It also
-- expects these variables, each a folder with a manifest.csv (audio_path, text):
--   the variables `spliced_5` to `spliced_10`: the output of `python -m bundle.spliced_speech FOLDER readers.parquet` for the two readers, with
--     `--max-words 5`, `--seed 1`, `--seed 2`, `--seed 3 --hours 5`, `--seed 4` and `--seed 5`. (For the weights that ship, the word
--     times came from the last stage without augmentation.)
--   the variable `book`: the output of `python -m bundle.training_speech` for another text
--   the variable `scarce`: its output for the words that `python -m bundle.scarce_words` finds to be rare in the clips so far

CREATE OR REPLACE MACRO clips_of(folder) AS TABLE
SELECT folder || '/' || audio_path AS audio_path, text
FROM read_csv(folder || '/manifest.csv');

-- Up to here the weights that ship were trained on other synthetic speech, with fewer voices (see the model card).
CREATE OR REPLACE VIEW training_speech AS
FROM people(2, 2, 2)
UNION ALL FROM synthetic()
UNION ALL FROM clips_of(getvariable('spliced_5'));

FIT MODEL tiny_en_5 USING tiny_en_4
OPTIONS (epochs=3, learning_rate=1e-3, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- With augmentation: slower, faster, in rooms, by telephone and in noise; and the readers in shorter pieces, because by now the model has
-- memorised the others.
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 1, 1)
UNION ALL FROM synthetic()
UNION ALL FROM clips_of(getvariable('spliced_6'));

FIT MODEL tiny_en_6 USING tiny_en_5
OPTIONS (epochs=5, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- Without augmentation again: the readers in other orders, and two fifths of the synthetic clips.
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 3, 3)
UNION ALL FROM synthetic([0, 1])
UNION ALL FROM clips_of(getvariable('spliced_7'));

FIT MODEL tiny_en_7 USING tiny_en_6
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- Synthetic voices read another book, and there are more hours of the readers; all of it with augmentation.
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 2, 1)
UNION ALL FROM synthetic([3, 4])
UNION ALL FROM clips_of(getvariable('book'))
UNION ALL FROM clips_of(getvariable('spliced_8'));

FIT MODEL tiny_en_8 USING tiny_en_7
OPTIONS (epochs=4, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- Without augmentation again.
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 3, 3)
UNION ALL FROM synthetic([1, 2])
UNION ALL FROM clips_of(getvariable('book')) WHERE part_of(text, 5) IN (1, 2)
UNION ALL FROM clips_of(getvariable('spliced_9'));

FIT MODEL tiny_en_9 USING tiny_en_8
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- Half of the ten thousand most common words occurred fewer than ten times so far: synthetic voices say those, with augmentation
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 2, 1)
UNION ALL FROM synthetic([0])
UNION ALL FROM clips_of(getvariable('scarce'))
UNION ALL FROM clips_of(getvariable('spliced_10'));

FIT MODEL tiny_en_10 USING tiny_en_9
OPTIONS (epochs=2, learning_rate=1e-3, warmup_ratio=0.02, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- and without it, with `joe`, who sounds most like a person, more often than the other voices.
CREATE OR REPLACE VIEW training_speech AS
FROM people(1, 3, 3)
UNION ALL FROM synthetic([0, 1, 2], spoken_by := 'piper-joe')
UNION ALL FROM clips_of(getvariable('scarce'))
UNION ALL FROM clips_of(getvariable('spliced_10'));

FIT MODEL tiny_en_11 USING tiny_en_10
OPTIONS (epochs=2, learning_rate=6e-4, warmup_ratio=0.03, precision='bfloat16', freeze_feature_encoder=False) AS
SELECT * FROM training_speech;

-- What ships is the mean of the weights of tiny_en_9 and tiny_en_11 (`python -m bundle.tiny_model FOLDER.. --mean-with FOLDER`).
SELECT corpus, clips, round(wer, 4) AS wer, round(cer, 4) AS cer
FROM (EVALUATE USING tiny_en_11 OPTIONS (by='corpus') AS SELECT * FROM speech WHERE is_held_out)
ORDER BY corpus;
