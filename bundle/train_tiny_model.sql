-- How Wav2Vec2TinyEn, the small English model of this package, is trained, by the package's own FIT; run by
-- `python -m bundle.make_tiny_model`, after recorded_speech.sql. The model card is next to the weights.

-- Recordings of people; longer clips would make large batches.
CREATE OR REPLACE VIEW readers AS
SELECT audio_path, text FROM people WHERE part = 'train' AND duration_s < 17;

FIT MODEL tiny_readers USING Wav2Vec2TinyEn
OPTIONS (epochs=10, learning_rate=8e-4, warmup_ratio=0.03, precision='bfloat16', augment=True, freeze_feature_encoder=False) AS
SELECT * FROM readers;
