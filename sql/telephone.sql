-- A lesson in training: the small model has never heard a telephone, and learns it from 80 clips in about a minute.
-- Needs nothing but the package.

-- The sentences of the tutorial over a mobile phone: 80 clips to train on, and 20 of other sentences to evaluate with.
GET THANOSQL DATASET telephone_data;

COPY telephone_train OPTIONS (overwrite=True) FROM 'tutorial_data/telephone_data/telephone_train.csv';

COPY telephone_test OPTIONS (overwrite=True) FROM 'tutorial_data/telephone_data/telephone_test.csv';

PRINT AUDIO AS SELECT audio_path FROM telephone_test LIMIT 3;

-- What the model makes of it: more than every second word is wrong.
PREDICT USING Wav2Vec2TinyEn AS SELECT * FROM telephone_test LIMIT 5;

-- The line changes the lowest sounds that the model hears, so that its convolutions must learn as well, from small steps of few clips.
BUILD MODEL phone USING Wav2Vec2TinyEn
OPTIONS (epochs=15, learning_rate=5e-4, batch_size=8, freeze_feature_encoder=False, augment=True, overwrite=True) AS
SELECT * FROM telephone_train;

PREDICT USING phone AS SELECT * FROM telephone_test LIMIT 5;

-- The share of words (wer) and of characters (cer) that are wrong, before and after, in sentences that it was not trained on.
SELECT metric, round(base.score, 3) AS before, round(phone.score, 3) AS after
FROM (EVALUATE USING Wav2Vec2TinyEn AS FROM telephone_test) AS base
JOIN (EVALUATE USING phone AS FROM telephone_test) AS phone USING (metric)
WHERE metric IN ('wer', 'cer')
ORDER BY metric DESC;
