-- How Wav2Vec2TinyEn, the small English model of this package, is finished by the package's own FIT, after the training on a
-- GPU (bundle/gpu). The model card is next to the weights. Run by `python -m bundle.make_tiny_model` after
-- recorded_speech.sql, with the variables that it sets.

-- The clips of a folder in the working folder.
CREATE OR REPLACE MACRO clips_in(folder) AS TABLE
SELECT getvariable('work') || '/' || folder || '/' || audio_path AS audio_path, text
FROM read_csv(getvariable('work') || '/' || folder || '/manifest.csv');

-- Recordings of people (longer clips would make larger batches), and synthetic voices.
CREATE OR REPLACE VIEW everybody AS
SELECT audio_path, text FROM people WHERE part = 'train' AND duration_s < 17
UNION ALL FROM clips_in('natural')
UNION ALL FROM clips_in('robotic')
UNION ALL
SELECT getvariable('tutorial') || '/' || parse_filename(audio_path), text
FROM read_csv(getvariable('tutorial') || '/librispeech_train.csv');

FIT MODEL tiny_en USING tiny_from_gpu
OPTIONS (epochs=3, learning_rate=3e-4, warmup_ratio=0.03, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM everybody;
