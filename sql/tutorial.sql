-- The speech recognition tutorial: from a data set to transcripts, then to a model of your own and how good it is.
-- Needs nothing but the package: the clips and a small model ship with it. `thano_duckdb demo` runs it in a folder of its own.

-- A hundred short clips, copied to tutorial_data/librispeech_data in the working folder: 80 to train on, 20 to evaluate with.
GET THANOSQL DATASET librispeech_data;

COPY librispeech_train OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/librispeech_train.csv';

COPY librispeech_test OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/librispeech_test.csv';

SELECT * FROM librispeech_train LIMIT 5;

PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3;

-- A model that is already trained: facebook/wav2vec2-base-960h from the Hugging Face hub, or, where the hub is out of reach, the
-- small one that ships with the package.
GET THANOSQL MODEL tutorial_audio_recognition;

PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path') AS
SELECT * FROM librispeech_test;

EVALUATE USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text') AS
SELECT * FROM librispeech_test;

-- A model of your own: BUILD returns one row per epoch. It starts from the small model, which any machine trains in a minute.
BUILD MODEL my_speech_recognition_model USING Wav2Vec2TinyEn
OPTIONS (audio_col='audio_path', text_col='text', epochs=5, learning_rate=3e-4, overwrite=True) AS
SELECT * FROM librispeech_train;

PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS
SELECT * FROM librispeech_test;

EVALUATE USING my_speech_recognition_model OPTIONS (audio_col='audio_path', text_col='text') AS
SELECT * FROM librispeech_test;

-- What the training achieved: the share of words (wer) and of characters (cer) that are wrong, before and after.
SELECT metric, round(small.score, 3) AS before, round(mine.score, 3) AS after
FROM (EVALUATE USING Wav2Vec2TinyEn AS SELECT * FROM librispeech_test) AS small
JOIN (EVALUATE USING my_speech_recognition_model AS SELECT * FROM librispeech_test) AS mine USING (metric)
WHERE metric IN ('wer', 'cer')
ORDER BY metric DESC;
