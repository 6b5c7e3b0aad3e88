// OpenAI's Node client: models, chats, completions, errors.
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { LLM, connect, fromElsewhere, thrown } from './sdk.mjs';
import { Story, expect } from './story.mjs';

const story = new Story('openai Node');
const [LIST, SHOW, CHAT, ERRORS] = ['GET /v1/models', 'GET /v1/models/{id}', 'POST /v1/chat/completions', 'errors'];
const HELLO = [{ role: 'user', content: 'Say hello.' }];
const COUNT = [{ role: 'user', content: 'Count from 1 to 20 in digits, separated by commas.' }];
const PARIS = [{ role: 'user', content: 'What is the weather in Paris? Use the tool.' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const WEATHER = { type: 'function', function: { name: 'get_weather', description: 'The weather in a city.', parameters } };
const MODELS = { models: true };

const chat = (server, messages, options = {}) =>
  connect(server).chat.completions.create({ model: LLM, messages, max_tokens: 24, ...options });

story.works(LIST, 'every model has an id, an owner and a date', async (server) => {
  const models = [];
  for await (const model of connect(server).models.list()) models.push(model);
  expect(models.length && models.every((m) => m.id && m.owned_by && Number.isInteger(m.created)), models);
});

story.works(SHOW, "OpenAI's names stand for local models", async (server) => {
  for (const name of ['gpt-4o-mini', 'gpt-realtime', 'whisper-1', 'tts-1']) {
    expect((await connect(server).models.retrieve(name)).id === name, name);
  }
});

story.works(CHAT, 'a question is answered, with an id, usage and a reason to end', async (server) => {
  const answer = await chat(server, HELLO);
  const { message, finish_reason } = answer.choices[0];
  expect(message.content && ['stop', 'length'].includes(finish_reason), answer);
  expect(answer.usage.total_tokens > 0 && answer._request_id, answer);
});

story.works(CHAT, 'a stream is the same text in pieces', async (server) => {
  const stream = await chat(server, COUNT, { stream: true, stream_options: { include_usage: true } });
  let text = '';
  let last;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    last = chunk;
  }
  expect(text && last.choices.length === 0 && last.usage.total_tokens > 0, last);
});

story.works(CHAT, 'a stream that is left early frees the server', async (server) => {
  const stream = await chat(server, COUNT, { stream: true, max_tokens: 400 });
  for await (const chunk of stream) if (chunk) break;
  expect((await chat(server, HELLO, { max_tokens: 4 })).choices.length === 1, 'no answer');
});

story.works(CHAT, 'the stream helper runs a tool and hands its result back', async (server) => {
  let asked = '';
  const weather = ({ city }) => {
    asked = city;
    return { sky: 'sunny', celsius: 21 };
  };
  const tool = { ...WEATHER.function, function: weather, parse: JSON.parse };
  const question = { model: LLM, messages: PARIS, tools: [{ type: 'function', function: tool }], temperature: 0 };
  const limits = { maxChatCompletions: 2 };
  const runner = connect(server).chat.completions.runTools({ ...question, max_tokens: 60, stream: true }, limits);
  // A small model may call again rather than speak: what counts is that it was told.
  await runner.done().catch(() => {});
  const told = runner.messages.find((message) => message.role === 'tool');
  expect(/paris/i.test(asked) && told?.content.includes('sunny'), { asked, messages: runner.messages });
}, MODELS);

story.works(CHAT, 'parse with a zod schema brings a value of it', async (server) => {
  const Visit = z.object({ name: z.string(), day: z.enum(['thursday', 'friday']), guests: z.number().int() });
  const answer = await connect(server).chat.completions.parse({
    model: LLM, temperature: 0, max_tokens: 80, response_format: zodResponseFormat(Visit, 'visit'),
    messages: [{ role: 'user', content: 'Anna comes on Friday with two guests. Give name, day and guests as JSON.' }],
  });
  expect(answer.choices[0].message.parsed?.day === 'friday', answer.choices[0]);
}, MODELS);

story.works('POST /v1/completions', 'a text is gone on with, whole and streamed', async (server) => {
  const question = { model: LLM, prompt: 'One, two, three,', max_tokens: 8, temperature: 0 };
  const whole = await connect(server).completions.create(question);
  let text = '';
  for await (const chunk of await connect(server).completions.create({ ...question, stream: true })) {
    text += chunk.choices[0]?.text ?? '';
  }
  expect(whole.choices[0].text && text, { whole, text });
});

story.works('POST /v1/moderations', 'several texts are judged', async (server) => {
  const { results } = await connect(server).moderations.create({ input: ['I like cats.', 'I like dogs.'] });
  expect(results.length === 2 && results.every((it) => it.category_scores.violence < 1), results);
});

story.works(ERRORS, '400 is BadRequestError with message, type, param and code', async (server) => {
  const error = await thrown(OpenAI.BadRequestError, () => chat(server, HELLO, { temperature: 9 }));
  expect(error.param === 'temperature' && error.type === 'invalid_request_error' && error.requestID, error);
});

story.works(ERRORS, '401 is AuthenticationError, for a wrong key', async (server) => {
  const client = fromElsewhere({ ...server, key: 'sk-wrong' });
  const error = await thrown(OpenAI.AuthenticationError, () => client.models.list());
  expect(error.code === 'invalid_api_key', error);
});

story.works(ERRORS, '404 is NotFoundError for an unknown model and for an unknown route', async (server) => {
  const model = await thrown(OpenAI.NotFoundError, () => chat({ ...server }, HELLO, { model: 'no-such-model' }));
  expect(model.code === 'model_not_found' && model.param === 'model', model);
  const route = await thrown(OpenAI.NotFoundError, () => connect(server).get('/no/such/route'));
  expect(route.code === 'unknown_url', route);
});

story.works(ERRORS, 'a time limit of the client is APIConnectionTimeoutError, and the server lives on', async (server) => {
  const client = connect(server, { timeout: 50 });
  const long = { model: LLM, messages: COUNT, max_tokens: 200 };
  await thrown(OpenAI.APIConnectionTimeoutError, () => client.chat.completions.create(long));
  expect((await connect(server).models.list()).data.length, 'no models');
}, MODELS);

story.refused(CHAT, 'sound as output is refused: speak with /v1/audio/speech or /v1/realtime', 'modalities', (server) =>
  chat(server, HELLO, { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } }));

await story.run();
