-- How Wav2Vec2TinyEn, the small English model of this package, is trained, by the package's own FIT. The model card is next
-- to the weights. Run by `python -m bundle.make_tiny_model` after recorded_speech.sql, with the variables that it sets.

-- The clips of a folder in the working folder.
CREATE OR REPLACE MACRO clips_in(folder) AS TABLE
SELECT getvariable('work') || '/' || folder || '/' || audio_path AS audio_path, text
FROM read_csv(getvariable('work') || '/' || folder || '/manifest.csv');

-- Recordings of people. Longer clips would make larger batches.
CREATE OR REPLACE VIEW readers AS
SELECT audio_path, text FROM people WHERE part = 'train' AND duration_s < 17;

FIT MODEL tiny_readers USING Wav2Vec2TinyEn
OPTIONS (epochs=10, learning_rate=8e-4, warmup_ratio=0.03, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM readers;

-- Everybody: the same people, natural voices, some of the older synthetic ones, and disturbed copies of some of the clips.
CREATE OR REPLACE VIEW everybody AS
FROM readers
UNION ALL FROM clips_in('natural')
UNION ALL FROM clips_in('robotic')
UNION ALL FROM clips_in('disturbed');

FIT MODEL tiny_everybody USING tiny_readers
OPTIONS (epochs=20, learning_rate=1e-3, warmup_ratio=0.01, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM everybody;
