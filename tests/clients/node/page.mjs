// A page in headless Chromium talks over /v1/realtime: its key in a sub-protocol, a recording as its microphone.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toFile } from 'openai';
import { WHISPER, connect, shareHeard, speak } from './sdk.mjs';
import { Story, expect } from './story.mjs';

const story = new Story('Chromium');
const PAGE = path.join(import.meta.dirname, '..', 'page');
const BROWSER = process.env.CHROMIUM ?? 'chromium-headless-shell';
const RATE = 24_000;
const QUESTION = 'What day comes after Sunday?';
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required',
  '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
];
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript' };

/** A WAV file of 16-bit samples, one channel. */
function wav(pcm) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(2 * RATE, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([head, pcm]);
}

/** Serves the page and its settings; brings what it reports. */
async function serve(settings) {
  let told;
  const report = new Promise((resolve) => (told = resolve));
  const server = http.createServer(async (request, response) => {
    if (request.url === '/settings') return response.end(JSON.stringify(settings));
    if (request.url === '/report') {
      const parts = [];
      for await (const part of request) parts.push(part);
      response.end();
      return told(JSON.parse(Buffer.concat(parts)));
    }
    const name = request.url === '/' ? 'index.html' : path.basename(request.url);
    const body = await readFile(path.join(PAGE, name)).catch(() => null);
    response.writeHead(body ? 200 : 404, { 'content-type': TYPES[path.extname(name)] ?? 'text/plain' });
    return response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, report, url: `http://localhost:${server.address().port}/` };
}

/** What the page reports. */
async function browse(settings, microphone) {
  const folder = await mkdtemp(path.join(tmpdir(), 'page-'));
  const file = path.join(folder, 'microphone.wav');
  await writeFile(file, wav(microphone));
  const { server, report, url } = await serve(settings);
  const flags = [...FLAGS, `--user-data-dir=${folder}/profile`, `--use-file-for-fake-audio-capture=${file}%noloop`];
  // Debian's command is a script that stays above the browser: both are one process group.
  const browser = spawn(BROWSER, [...flags, url], { stdio: 'ignore', detached: true });
  const end = () => browser.exitCode === null && browser.pid && process.kill(-browser.pid, 'SIGTERM');
  process.once('exit', end);
  const failed = new Promise((_, reject) => {
    browser.on('error', reject);
    browser.on('exit', (code) => reject(new Error(`${BROWSER} ended with ${code}`)));
  });
  failed.catch(() => {});
  try {
    return await Promise.race([report, failed]);
  } finally {
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    if (end()) await ended;
    process.off('exit', end);
    server.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function session() {
  const format = { type: 'audio/pcm', rate: RATE };
  const turn_detection = { type: 'server_vad', silence_duration_ms: 500 };
  const input = { format, turn_detection, transcription: { model: 'whisper-1', language: 'en' } };
  const audio = { input, output: { format, voice: 'alloy' } };
  return { type: 'realtime', output_modalities: ['audio'], instructions: 'Answer in one short sentence.', audio };
}

story.works('WS /v1/realtime', 'a page with a client secret and a microphone is heard and answered', async (server) => {
  const silence = Buffer.alloc(2 * RATE * 2);
  const question = await speak(server, QUESTION);
  const { value } = await connect(server).realtime.clientSecrets.create({ session: { ...session(), model: 'gpt-realtime' } });
  const url = `${server.baseURL.replace(/^http/, 'ws')}/realtime?model=gpt-realtime`;
  const told = await browse({ url, key: value, session: session() }, Buffer.concat([silence, question, silence, silence]));
  expect(!told.error && told.protocol === 'realtime', told.error ?? told.protocol);
  expect(shareHeard(QUESTION, told.heard) >= 0.6, told.heard);
  const pcm = Buffer.concat(told.sound.map((piece) => Buffer.from(piece, 'base64')));
  const file = await toFile(wav(pcm), 'reply.wav');
  const { text } = await connect(server).audio.transcriptions.create({ file, model: WHISPER });
  expect(shareHeard(told.transcript, text) >= 0.5, { written: told.transcript, heard: text });
}, { models: true });

await story.run();
