// OpenAI's Node client: speech in and out.
import { SUNDAY, TTS, WHISPER, connect, shareHeard, speak, sundayFile } from './sdk.mjs';
import { Story, expect } from './story.mjs';
import { toFile } from 'openai';

const story = new Story('openai Node');
const [HEAR, SPEAK] = ['POST /v1/audio/transcriptions', 'POST /v1/audio/speech'];
const TRANSLATE = 'POST /v1/audio/translations';
const MODELS = { models: true };

const hear = async (server, options = {}) =>
  connect(server).audio.transcriptions.create({ file: await sundayFile(server), model: WHISPER, ...options });

story.works(HEAR, 'speech becomes its words, with usage in seconds', async (server) => {
  const { text } = await hear(server);
  expect(shareHeard(SUNDAY, text) >= 0.7, text);
}, MODELS);

story.works(HEAR, 'words have times within the recording, in order', async (server) => {
  const granularities = { response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] };
  const { words, segments, duration } = await hear(server, granularities);
  expect(segments.length && words.length && words.every((w) => w.start <= w.end), { words, segments, duration });
}, MODELS);

story.works(HEAR, 'text, srt and vtt are texts', async (server) => {
  for (const response_format of ['text', 'srt', 'vtt']) {
    const text = await hear(server, { response_format });
    expect(typeof text === 'string' && text.trim(), { response_format, text });
  }
});

story.works(HEAR, 'a stream brings the text in pieces and whole at its end', async (server) => {
  const events = [];
  for await (const event of await hear(server, { model: 'gpt-4o-mini-transcribe', stream: true })) events.push(event);
  const deltas = events.filter((it) => it.type === 'transcript.text.delta').map((it) => it.delta).join('');
  const done = events.at(-1);
  expect(done.type === 'transcript.text.done' && deltas.trim() === done.text.trim(), events);
}, MODELS);

story.works(TRANSLATE, 'English stays English', async (server) => {
  const { text } = await connect(server).audio.translations.create({ file: await sundayFile(server), model: WHISPER });
  expect(shareHeard(SUNDAY, text) >= 0.7, text);
}, MODELS);

story.works(SPEAK, 'every format comes with its own content type', async (server) => {
  const types = { mp3: 'audio/mpeg', opus: 'audio/opus', flac: 'audio/flac', wav: 'audio/wav' };
  for (const [response_format, mime] of Object.entries(types)) {
    const answer = await connect(server).audio.speech.create({ model: TTS, voice: 'alloy', input: 'Hello.', response_format });
    const size = (await answer.arrayBuffer()).byteLength;
    expect(answer.headers.get('content-type').startsWith(mime) && size > 500, { response_format, size });
  }
});

story.works(SPEAK, 'what it says is understood', async (server) => {
  // No numbers: a recognizer may write them as digits.
  const said = 'The morning train to the mountains leaves from the old station behind the river.';
  const file = await toFile(await speak(server, said, 'wav'), 'said.wav');
  const { text } = await connect(server).audio.transcriptions.create({ file, model: WHISPER });
  expect(shareHeard(said, text) >= 0.6, text);
}, MODELS);

story.works(SPEAK, 'its body is a stream', async (server) => {
  const question = { model: TTS, voice: 'alloy', input: 'Hello there.', response_format: 'pcm' };
  const answer = await connect(server).audio.speech.create(question);
  let size = 0;
  for await (const piece of answer.body) size += piece.length;
  expect(size > 2000, size);
});

await story.run();
