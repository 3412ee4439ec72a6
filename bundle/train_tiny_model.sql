-- How Wav2Vec2TinyEn, the small English model of this package, is finished by the package's own FIT, after the runs on a GPU
-- (gpu/train.py): one pass over more of the older synthetic voices, and parts of everything else. Run by
-- `python -m bundle.make_tiny_model` after recorded_speech.sql, with the variables that it sets.

-- The clips of a folder in the working folder.
CREATE OR REPLACE MACRO clips_in(folder) AS TABLE
SELECT getvariable('work') || '/' || folder || '/' || audio_path AS audio_path, text
FROM read_csv(getvariable('work') || '/' || folder || '/manifest.csv');

CREATE OR REPLACE VIEW finishing AS
SELECT audio_path, text
FROM people
WHERE part = 'train' AND duration_s < 12 AND part_of(audio_path, 10) < 3
    AND (corpus LIKE 'librispeech%' OR corpus IN ('kathleen_arctic', 'ljspeech_part1', 'an4'))
UNION ALL FROM clips_in('more_robotic')
UNION ALL SELECT * FROM clips_in('robotic') WHERE part_of(audio_path, 2) = 0
UNION ALL SELECT * FROM clips_in('natural') WHERE part_of(audio_path, 4) = 0
UNION ALL
SELECT getvariable('tutorial') || '/' || parse_filename(audio_path), text
FROM read_csv(getvariable('tutorial') || '/librispeech_train.csv');

FIT MODEL tiny_finished USING tiny_from_gpu
OPTIONS (epochs=1, learning_rate=2e-4, warmup_ratio=0.05, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM finishing;
