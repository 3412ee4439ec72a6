-- From recordings in any language to a model that writes it: no vocabulary is needed, only a pretrained encoder.
-- Expects: `recordings/manifest.csv` with audio_path, text, speaker; and a folder `encoder`, such as a copy of
-- https://huggingface.co/facebook/wav2vec2-xls-r-300m. With a network, USING 'hf://facebook/wav2vec2-xls-r-300m' fetches it.

COPY recordings OPTIONS (overwrite=True) FROM 'recordings/manifest.csv';

-- Which characters the texts have. Digits and signs are better written out in words before a model learns them.
SELECT character, count(*) AS occurrences
FROM (SELECT unnest(string_split(lower(nfc_normalize(text)), '')) AS character FROM recordings)
GROUP BY character
ORDER BY occurrences DESC, character;

-- The alphabet comes from the texts: one line says which characters it has. The model is evaluated on other speakers than it learns from.
-- Korean: add alphabet='jamo'. On a GPU nothing needs to change; with ten hours or more add batch_size=32, learning_rate=3e-4, epochs=15.
BUILD MODEL my_language USING './encoder' OPTIONS (validation_split=0.2, split_by='speaker', patience=10, overwrite=True) AS
SELECT 'recordings/' || audio_path AS audio_path, text, speaker FROM recordings;

-- What it has learnt, epoch by epoch: after some epochs of silence the error rates fall.
SELECT epoch, round(train_loss, 2) AS train_loss, round(eval_loss, 2) AS eval_loss, round(cer, 3) AS cer, kept
FROM thano_training('my_language');

-- By speaker: those with the highest error rates need more recordings, or better ones.
EVALUATE USING my_language OPTIONS (by='speaker') AS
SELECT 'recordings/' || audio_path AS audio_path, text, speaker FROM recordings;

PREDICT USING my_language AS
SELECT 'recordings/' || audio_path AS audio_path, text AS reference FROM recordings LIMIT 5;
