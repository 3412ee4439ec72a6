-- The speech recognition tutorial: from a data set to transcripts, then to a model of your own and how good it is.
-- Needs nothing but the package: the clips and a small model ship with it. `thano_duckdb demo` runs it in a folder of its own.

-- A hundred short clips, copied to tutorial_data/librispeech_data in the working folder: 80 to train on, 20 to evaluate with.
GET THANOSQL DATASET librispeech_data;

COPY librispeech_train OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/librispeech_train.csv';

COPY librispeech_test OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/librispeech_test.csv';

SELECT * FROM librispeech_train LIMIT 5;

PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3;

-- A model that is already trained: facebook/wav2vec2-base-960h from the Hugging Face hub, or, where the hub is out of reach, the
-- small one that ships with the package. That one hears letters, of which its language model makes words.
GET THANOSQL MODEL tutorial_audio_recognition;

PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path') AS
SELECT * FROM librispeech_test;

EVALUATE USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text') AS
SELECT * FROM librispeech_test;

-- Some words of the small model are still wrong. If you know which words are likely, say so: these hotwords mend a tenth of its errors.
PREDICT USING Wav2Vec2TinyEn OPTIONS (hotwords=['tall ladders', 'garage', 'band', 'stones', 'milk']) AS
SELECT * FROM librispeech_test LIMIT 4;

SELECT round(small.score, 3) AS wer, round(helped.score, 3) AS with_hotwords
FROM (EVALUATE USING Wav2Vec2TinyEn AS SELECT * FROM librispeech_test) AS small
JOIN (
    EVALUATE USING Wav2Vec2TinyEn OPTIONS (hotwords=['tall ladders', 'garage', 'band', 'stones', 'milk']) AS
    SELECT * FROM librispeech_test
) AS helped USING (metric)
WHERE metric = 'wer';

-- The same sentences over a mobile phone: nearly twice as many words are wrong.
GET THANOSQL DATASET telephone_data;

COPY telephone_train OPTIONS (overwrite=True) FROM 'tutorial_data/telephone_data/telephone_train.csv';

COPY telephone_test OPTIONS (overwrite=True) FROM 'tutorial_data/telephone_data/telephone_test.csv';

PREDICT USING Wav2Vec2TinyEn AS SELECT * FROM telephone_test;

-- A model of your own, which learns this telephone and these voices from 80 clips in a minute or two; BUILD returns one row per epoch. The
-- convolutions, which hear the sounds, learn as well, in small steps of few clips.
BUILD MODEL my_speech_recognition_model USING Wav2Vec2TinyEn
OPTIONS (audio_col='audio_path', text_col='text', epochs=15, learning_rate=2e-4, batch_size=8,
         freeze_feature_encoder=False, augment=True, overwrite=True) AS
SELECT * FROM telephone_train;

PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS
SELECT * FROM telephone_test;

EVALUATE USING my_speech_recognition_model OPTIONS (audio_col='audio_path', text_col='text') AS
SELECT * FROM telephone_test;

-- What the training achieved in sentences that it was not trained on: the share of words (wer) and of characters (cer) that are wrong. The
-- language model is off here: it mends much of what the small model hears wrong, so this shows what was learnt.
SELECT metric, round(small.score, 3) AS before, round(mine.score, 3) AS after
FROM (EVALUATE USING Wav2Vec2TinyEn OPTIONS (language_model=NULL) AS SELECT * FROM telephone_test) AS small
JOIN (
    EVALUATE USING my_speech_recognition_model OPTIONS (language_model=NULL) AS SELECT * FROM telephone_test
) AS mine USING (metric)
WHERE metric IN ('wer', 'cer')
ORDER BY metric DESC;
