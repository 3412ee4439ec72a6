-- What duckdb_functions() and thano_functions() say of our macros: a sentence or two, and after `Example: ` one statement.
-- DuckDB 2.0 takes comments on macros, but no descriptions or examples in columns of their own, and of Python functions
-- neither comments nor names of parameters. A macro without a comment is one that our statements become.

COMMENT ON MACRO temp.main.thano_transcribe IS
'Transcribes audio: a STRUCT of text, confidence, duration in seconds, words with their times, error, alternatives and hotwords. options is JSON or a STRUCT, as in OPTIONS of PREDICT.
Example: SELECT thano_transcribe(''Wav2Vec2TinyEn'', audio_path).text FROM clips';

COMMENT ON MACRO temp.main.thano_channels IS
'The channels of a recording that have a signal of their own, counted from 1.
Example: SELECT audio_path, thano_channels(audio_path) FROM clips';

COMMENT ON MACRO temp.main.thano_audio_info IS
'What the header of audio says: a STRUCT of duration in seconds, sample_rate, channels, frames, format, subtype and error.
Example: SELECT thano_audio_info(audio_path).duration FROM clips';

COMMENT ON MACRO temp.main.thano_turns IS
'An aggregate: the dialogue of a call, from the words of its channels, as a list of turn, channel, start, end and text. pause is in seconds, by default 0.5.
Example: SELECT audio_path, thano_turns(channel, words) FROM (PREDICT USING Wav2Vec2TinyEn OPTIONS (channel=''each'', include=''words'') AS FROM clips) GROUP BY audio_path';

COMMENT ON MACRO temp.main.thano_normalize IS
'Text as error rates compare it: without case, punctuation and repeated spaces. locale ''tr'' or ''az'' knows the Turkish I.
Example: SELECT thano_normalize(''She said: "Yes!"'')';

COMMENT ON MACRO temp.main.thano_word_errors IS
'The word errors of a hypothesis: a STRUCT of substitutions, deletions, insertions, hits and length. With unit ''word'' only spaces separate words.
Example: SELECT thano_word_errors(''she said yes'', ''she says yes'')';

COMMENT ON MACRO temp.main.thano_char_errors IS
'The character errors of a hypothesis: a STRUCT of substitutions, deletions, insertions, hits and length.
Example: SELECT thano_char_errors(''she said yes'', ''she says yes'')';

COMMENT ON MACRO temp.main.thano_wer IS
'An aggregate: the word error rate over the rows of a group; rows without a reference or a hypothesis do not count.
Example: SELECT speaker, thano_wer(text, predicted) FROM transcripts GROUP BY speaker';

COMMENT ON MACRO temp.main.thano_cer IS
'An aggregate: the character error rate over the rows of a group; rows without a reference or a hypothesis do not count.
Example: SELECT speaker, thano_cer(text, predicted) FROM transcripts GROUP BY speaker';

COMMENT ON MACRO TABLE temp.main.thano_predict IS
'PREDICT as a function: the rows of a table, and their transcripts in the column predicted.
Example: FROM thano_predict(''Wav2Vec2TinyEn'', ''clips'', audio_col := ''audio_path'')';

COMMENT ON MACRO TABLE temp.main.thano_evaluate IS
'EVALUATE as a function: metric and score of the transcripts of a table, against the references in text_col.
Example: FROM thano_evaluate(''Wav2Vec2TinyEn'', ''clips'', text_col := ''text'')';

COMMENT ON MACRO TABLE temp.main.thano_plan IS
'What PREDICT would take, as EXPLAIN PREDICT says it, without running it: an item a row (rows, clips, audio_hours, seconds, memory_bytes, model, ..), with low and high where it was sampled.
Example: SELECT item, text FROM thano_plan(''Wav2Vec2TinyEn'', ''clips'')';

COMMENT ON MACRO TABLE temp.main.thano_workers IS
'The processes that transcribe beside this one: device, state, and what they have done.
Example: SELECT count(*) FROM thano_workers()';

COMMENT ON MACRO temp.main.thano_perplexity IS
'How odd a language model finds a text, its unknown words and its end included; lower is likelier.
Example: SELECT thano_perplexity(''she said yes'', ''en'')';

COMMENT ON MACRO TABLE temp.main.thano_training IS
'The figures of each epoch of a model that BUILD or FIT made, such as loss, wer and cer.
Example: SELECT epoch, train_loss, wer FROM thano_training(''my_model'')';

COMMENT ON MACRO TABLE temp.main.thano_models IS
'All models by name: your own, every version, and the built-in ones; what LIST THANOSQL MODEL shows.
Example: SELECT name, version, description FROM thano_models()';

COMMENT ON MACRO TABLE temp.main.thano_describe_model IS
'What is known of a model, a row for each fact: where it is, its network and alphabet, and how it was built; what DESCRIBE MODEL shows.
Example: SELECT property, value FROM thano_describe_model(''Wav2Vec2TinyEn'')';

COMMENT ON MACRO TABLE temp.main.thano_cache IS
'What the lasting cache of transcripts in the model home holds, a row for each model and decoder; DELETE CACHE clears it.
Example: SELECT count(*) FROM thano_cache()';

COMMENT ON MACRO TABLE temp.main.thano_check IS
'One row that says whether PREDICT and BUILD can use a model, by its name, folder or hf:// address, and if not, why.
Example: SELECT predict, build, problem FROM thano_check(''Wav2Vec2TinyEn'')';

COMMENT ON MACRO TABLE temp.main.thano_datasets IS
'The data sets that GET THANOSQL DATASET offers; what LIST THANOSQL DATASET shows.
Example: FROM thano_datasets()';

COMMENT ON MACRO TABLE temp.main.thano_functions IS
'The functions of thano_duckdb: their parameters, what they do, and an example of each.
Example: SELECT function_name, description FROM thano_functions()';

COMMENT ON MACRO TABLE temp.main.thano_audio IS
'The audio files of a folder and its subfolders, or of a pattern, with what their headers say.
Example: SELECT audio_path, duration, error FROM thano_audio(''calls/*.wav'')';

COMMENT ON MACRO temp.main.thano_file IS
'A file for DuckDB''s readers, which would take [1] in its name for a pattern.
Example: FROM read_csv(thano_file(''calls [1].csv''))';

COMMENT ON MACRO TABLE temp.main.thano_librispeech IS
'A LibriSpeech tree as a table of audio_path, text, speaker, chapter and utterance_id.
Example: SELECT audio_path, text FROM thano_librispeech(''LibriSpeech/dev-clean'')';
