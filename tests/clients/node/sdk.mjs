// OpenAI's Node client, set up for the server under test, and speech to send it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import OpenAI, { toFile } from 'openai';

export const [LLM, WHISPER, TTS, EMBEDDING] = ['gpt-4o-mini', 'whisper-1', 'tts-1', 'text-embedding-3-small'];
export const SUNDAY = 'Sunday is the best part of the week.';
const RECORDING = 'sb_spk1__spk1_snt5.flac';

/** No retries, so that each failure is seen. */
export function connect({ baseURL, key }, options = {}) {
  return new OpenAI({ baseURL, apiKey: key, maxRetries: 0, ...options });
}

/** A client whose requests seem to come from another machine by a proxy, so that the key counts. */
export function fromElsewhere(server, options = {}) {
  return connect(server, { defaultHeaders: { 'x-forwarded-for': '203.0.113.7' }, ...options });
}

/** The sentence SUNDAY as a file: a recording where the machine has it, else in the server's voice. */
export async function sundayFile(server) {
  const file = path.join(process.env.TRUNKLINE_SPEECH ?? 'nowhere', 'dev', RECORDING);
  const recorded = await readFile(file).catch(() => null);
  return recorded ? toFile(recorded, 'sunday.flac') : toFile(await speak(server, SUNDAY, 'wav'), 'sunday.wav');
}

/** A sentence in the server's voice. */
export async function speak(server, input, response_format = 'pcm') {
  const answer = await connect(server).audio.speech.create({ model: TTS, voice: 'alloy', input, response_format });
  return Buffer.from(await answer.arrayBuffer());
}

/** The share of the words said that were heard. */
export function shareHeard(said, heard) {
  const words = (text) => text.toLowerCase().match(/[a-z0-9']+/g) ?? [];
  const known = new Set(words(heard));
  const all = words(said);
  return all.filter((word) => known.has(word)).length / all.length;
}

/** The error that the call must throw. */
export async function thrown(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`no ${kind.name} was thrown`);
}
