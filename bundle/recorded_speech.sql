-- The recordings of people, and which of them the small model is trained on, chosen by, and tested on.
-- Expects the variables `corpora`, a folder with the folders below (manifest.csv with audio_path, text, speaker, split and
-- duration in each), and `tutorial`, the folder of the tutorial's tables.

-- To which of `n_parts` parts, counted from 0, a text belongs; it is always the same.
CREATE OR REPLACE MACRO part_of(text, n_parts) AS ('0x' || left(md5(text), 8))::UBIGINT % n_parts;

-- One in ten sentences of the two readers is never trained on, however often it was recorded.
CREATE OR REPLACE MACRO held_out(text) AS part_of(thano_normalize(text), 10) = 0;

CREATE OR REPLACE MACRO manifest(folder) AS TABLE
SELECT
    folder AS corpus, getvariable('corpora') || '/' || folder || '/' || audio_path AS audio_path, text, speaker::VARCHAR AS speaker,
    split = 'test' AS is_test, duration AS duration_s
FROM read_csv(getvariable('corpora') || '/' || folder || '/manifest.csv', types = {'speaker': 'VARCHAR'});

-- `part`: train; dev, to choose by (people of LibriSpeech who are in no other part); test.
CREATE OR REPLACE TABLE people AS
SELECT corpus, audio_path, text, speaker, duration_s, CASE WHEN is_test THEN 'test' ELSE 'train' END AS part
FROM (FROM manifest('an4') UNION ALL FROM manifest('free_spoken_digits') UNION ALL FROM manifest('picovoice_coffee_commands')
      UNION ALL FROM manifest('picovoice_wake_words'))
UNION ALL
SELECT corpus, audio_path, text, speaker, duration_s, CASE WHEN held_out(text) THEN 'test' ELSE 'train' END
FROM (FROM manifest('kathleen_arctic') UNION ALL FROM manifest('ljspeech_part1'))
UNION ALL
SELECT corpus, audio_path, text, speaker, duration_s,
    CASE WHEN is_test THEN 'test' WHEN part_of(speaker, 30) = 0 THEN 'dev' ELSE 'train' END
FROM (FROM manifest('librispeech_test_clean') UNION ALL FROM manifest('librispeech_dev_clean_part')
      UNION ALL FROM manifest('librispeech_resemblyzer'));

CREATE OR REPLACE TABLE test_sentences AS
SELECT DISTINCT thano_normalize(text) AS text
FROM (
    SELECT text FROM people WHERE part <> 'train' AND corpus <> 'free_spoken_digits'
    UNION ALL
    SELECT text FROM read_csv(getvariable('tutorial') || '/librispeech_test.csv')
);
