-- The sentences that synthetic voices read: everyday sentences, novels, and what people say to machines, in a random
-- order that is always the same. Sentences of the test sets are omitted, and so is every line that contains a long one.
-- Expects the variables `corpora` (see train_tiny_model.sql), `spoken` (a file of lines of `training_text.py`) and `work`.

CREATE OR REPLACE MACRO lines_of(file) AS TABLE
SELECT trim(text) AS text
FROM read_csv(
    file, columns = {'text': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false, auto_detect = false
);

-- As LibriSpeech writes it, and as people say it.
CREATE OR REPLACE MACRO spelled_out(text) AS
regexp_replace(regexp_replace(text, '\bmr\b', 'mister', 'g'), '\bmrs\b', 'missus', 'g');

CREATE OR REPLACE MACRO n_words(text) AS len(string_split(text, ' '));

CREATE OR REPLACE MACRO is_test_sentence(normalized) AS normalized IN (SELECT text FROM test_sentences);

CREATE OR REPLACE TABLE sentences AS
WITH candidates AS (
    SELECT 'everyday' AS kind, text FROM lines_of(getvariable('corpora') || '/lm_text/common_voice_sentences.txt')
    WHERE n_words(text) BETWEEN 3 AND 20
    UNION ALL
    SELECT 'novel', text FROM lines_of(getvariable('corpora') || '/lm_text/novels.txt')
    WHERE n_words(text) BETWEEN 5 AND 24
    UNION ALL
    SELECT 'command', text FROM lines_of(getvariable('spoken'))
)
SELECT kind, text, row_number() OVER (PARTITION BY kind ORDER BY md5(text)) AS nth
FROM (SELECT DISTINCT kind, spelled_out(text) AS text, thano_normalize(text) AS normalized FROM candidates)
WHERE NOT is_test_sentence(normalized) AND NOT EXISTS (
    FROM test_sentences WHERE n_words(test_sentences.text) >= 5 AND contains(normalized, test_sentences.text)
);

-- Of ten lines, five are everyday sentences, four are of novels, and one is a command.
COPY (
    SELECT text FROM sentences
    ORDER BY (nth - 0.5) / CASE kind WHEN 'everyday' THEN 5 WHEN 'novel' THEN 4 ELSE 1 END, kind
    LIMIT 40000
) TO (getvariable('work') || '/sentences.txt') (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01');
