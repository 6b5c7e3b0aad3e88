// OpenAI's Node client: /v1/realtime by the socket of a server program, and by that of a browser (sub-protocol auth).
import net from 'node:net';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import WebSocket from 'ws';
import { connect, shareHeard, speak } from './sdk.mjs';
import { Story, expect } from './story.mjs';

const story = new Story('openai Node');
const [TALK, SECRETS] = ['WS /v1/realtime', 'POST /v1/realtime/client_secrets'];
const MODELS = { models: true };
const PCM = { type: 'audio/pcm', rate: 24000 };
const BRIEF = 'Answer in one short sentence.';
const QUESTION = 'What day comes after Sunday?';

/** Settings of a session in which the client says when it is done. */
function session(output_modalities) {
  const input = { format: PCM, turn_detection: null, transcription: { model: 'whisper-1', language: 'en' } };
  const audio = { input, output: { format: PCM, voice: 'alloy' } };
  return { type: 'realtime', output_modalities, instructions: BRIEF, audio };
}

/** Opens a session of OpenAI's client, sends the events, and brings what comes until the kind. */
async function talk(server, events, until) {
  // The client knows wss only; this server has no certificate, so the connection under it is a plain one.
  const options = { createConnection: (to) => net.connect(to) };
  const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, connect(server));
  return collect(realtime, events, until).finally(() => realtime.close());
}

function collect(realtime, events, until) {
  return new Promise((resolve, reject) => {
    const seen = [];
    realtime.on('event', (event) => {
      seen.push(event);
      if (event.type === 'session.created') for (const it of events) realtime.send(it);
      if (event.type === until) resolve(seen);
    });
    realtime.on('error', reject);
  });
}

const ask = (text) => ({
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
});

story.works(TALK, 'a written question is answered in writing, with every event in order', async (server) => {
  const update = { type: 'session.update', session: session(['text']) };
  const events = await talk(server, [update, ask('Say hello.'), { type: 'response.create' }], 'response.done');
  const text = events.filter((it) => it.type === 'response.output_text.delta').map((it) => it.delta).join('');
  const { response } = events.at(-1);
  expect(response.status === 'completed' && response.output[0].content[0].text === text && text, response);
});

story.works(TALK, 'speech that the client commits is transcribed and answered', async (server) => {
  const update = { type: 'session.update', session: session(['audio']) };
  const audio = (await speak(server, QUESTION)).toString('base64');
  const append = { type: 'input_audio_buffer.append', audio };
  const end = [{ type: 'input_audio_buffer.commit' }, { type: 'response.create' }];
  const events = await talk(server, [update, append, ...end], 'response.done');
  const sound = events.filter((it) => it.type === 'response.output_audio.delta').map((it) => it.delta.length);
  expect(sound.reduce((sum, size) => sum + size, 0) > 10_000, events.map((it) => it.type));
  const heard = events.find((it) => it.type === 'conversation.item.input_audio_transcription.completed');
  expect(!heard || shareHeard(QUESTION, heard.transcript) >= 0.6, heard);
}, MODELS);

story.works(SECRETS, 'a client secret opens a session by sub-protocol, as from a browser', async (server) => {
  const body = { session: { ...session(['text']), model: 'gpt-realtime' } };
  const { value } = await connect(server).realtime.clientSecrets.create(body);
  const url = `${server.baseURL.replace(/^http/, 'ws')}/realtime?model=gpt-realtime`;
  const protocols = ['realtime', `openai-insecure-api-key.${value}`];
  const socket = new WebSocket(url, protocols, { headers: { 'x-forwarded-for': '203.0.113.7' } });
  const first = await new Promise((resolve, reject) => {
    socket.on('message', (message) => resolve(JSON.parse(message)));
    socket.on('error', reject);
  });
  expect(first.type === 'session.created' && first.session.instructions === BRIEF, first);
  expect(socket.protocol === 'realtime', socket.protocol);
  socket.close();
});

story.works(TALK, 'a wrong key is refused before the socket opens', async (server) => {
  const url = `${server.baseURL.replace(/^http/, 'ws')}/realtime?model=gpt-realtime`;
  const headers = { 'x-forwarded-for': '203.0.113.7' };
  const socket = new WebSocket(url, ['realtime', 'openai-insecure-api-key.sk-wrong'], { headers });
  const status = await new Promise((resolve) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.on('open', () => resolve('open'));
    socket.on('error', () => {});
  });
  expect(status === 401, status);
});

await story.run();
