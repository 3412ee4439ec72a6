-- Human speech with its texts on any Debian machine: the telephone prompts of Asterisk, transcribed and scored by group.
-- Expects: the packages asterisk-core-sounds-en-wav and asterisk-core-sounds-en (apt-get install), and the model named below.

-- The list of prompts is gzipped text: `name: spoken text`, comments after `;`. A prompt that is only a tone or the like is in
-- square brackets and is omitted; anything else in brackets is a remark, so `(1 second of silence)` becomes an empty text.
CREATE OR REPLACE TABLE listed AS
SELECT
    trim(split_part(line, ':', 1)) AS prompt,
    trim(regexp_replace(substr(line, strpos(line, ':') + 1), '\[.*?\]|\(.*?\)|<.*?>', '', 'g')) AS written
FROM read_csv(
    '/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz',
    columns = {'line': 'VARCHAR'}, delim = '\0', quote = '', escape = '', header = false, auto_detect = false
)
WHERE line NOT LIKE ';%' AND contains(line, ':')
    AND NOT regexp_full_match(trim(substr(line, strpos(line, ':') + 1)), '\[.*\]');

-- The speaker reads `press 1 or #` as words, so the reference has to spell them out.
CREATE OR REPLACE MACRO spelled_out(written) AS list_reduce(
    list_prepend(
        written,
        ['0 zero', '1 one', '2 two', '3 three', '4 four', '5 five', '6 six', '7 seven', '8 eight', '9 nine',
         '* star', '# pound']
    ),
    lambda text, pair: replace(text, pair[1], ' ' || pair[3:] || ' ')
);

CREATE OR REPLACE TABLE prompts AS
SELECT
    prompt,
    '/usr/share/asterisk/sounds/en/' || prompt || '.wav' AS audio_path,
    spelled_out(written) AS text,
    CASE WHEN contains(prompt, '/') THEN split_part(prompt, '/', 1) ELSE 'sentences' END AS folder
FROM listed
WHERE '/usr/share/asterisk/sounds/en/' || prompt || '.wav' IN (
    SELECT file FROM glob('/usr/share/asterisk/sounds/en/**/*.wav')
);

SELECT folder, count(*) AS prompts, round(sum(thano_audio_info(audio_path).duration) / 60, 1) AS minutes
FROM prompts
GROUP BY folder
ORDER BY folder;

CREATE OR REPLACE TABLE transcripts AS
PREDICT USING Wav2Vec2TinyEn OPTIONS (audio_col='audio_path', include=['duration', 'error']) AS
SELECT * FROM prompts;

-- By folder, with the number of words in the references.
SELECT
    folder,
    count(*) AS prompts,
    sum(thano_word_errors(text, predicted).length) AS words,
    round(thano_wer(text, predicted), 3) AS wer,
    round(thano_cer(text, predicted), 3) AS cer
FROM transcripts
GROUP BY folder
ORDER BY folder;

-- The same by length, with EVALUATE: it adds a 95 % interval of the word error rate.
SELECT length, clips, round(wer, 3) AS wer, round(wer_low, 3) AS wer_low, round(wer_high, 3) AS wer_high
FROM (
    EVALUATE USING Wav2Vec2TinyEn OPTIONS (by='length') AS
    SELECT audio_path, text, CASE WHEN duration < 1.5 THEN 'up to 1.5 s' WHEN duration < 5 THEN 'up to 5 s' ELSE 'longer' END AS length
    FROM transcripts
)
ORDER BY length;
