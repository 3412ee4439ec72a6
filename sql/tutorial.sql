-- The speech recognition tutorial, from a CSV of clips to a model of your own and how good it is.
-- Expects: `recordings/train.csv` and `recordings/test.csv` with audio_path, text, speaker; and a model called my_model to start
-- from (UPLOAD MODEL my_model FROM 'folder'; where the Hugging Face hub can be reached, write Wav2Vec2En in its place).

COPY librispeech_train OPTIONS (overwrite=True) FROM 'recordings/train.csv';

COPY librispeech_test OPTIONS (overwrite=True) FROM 'recordings/test.csv';

SELECT * FROM librispeech_train LIMIT 5;

PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3;

-- What the pretrained model hears.
PREDICT USING my_model OPTIONS (audio_col='audio_path') AS
SELECT * FROM librispeech_test LIMIT 100;

-- A model of your own: one row an epoch.
BUILD MODEL my_speech_recognition_model USING my_model
OPTIONS (audio_col='audio_path', text_col='text', epochs=1, batch_size=4, overwrite=True) AS
SELECT * FROM librispeech_train;

PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS
SELECT * FROM librispeech_test LIMIT 100;

EVALUATE USING my_speech_recognition_model OPTIONS (audio_col='audio_path', text_col='text') AS
SELECT * FROM librispeech_test;

-- The same by speaker, with a 95 % interval of the word error rate.
SELECT speaker, metric, round(score, 3) AS score
FROM (EVALUATE USING my_speech_recognition_model OPTIONS (by='speaker') AS SELECT * FROM librispeech_test)
WHERE metric IN ('wer', 'wer_low', 'wer_high', 'clips')
ORDER BY speaker;
