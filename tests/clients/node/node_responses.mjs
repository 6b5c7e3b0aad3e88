// OpenAI's Node client: the Responses API, over HTTP and over its WebSocket.
import { zodTextFormat } from 'openai/helpers/zod';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { z } from 'zod';
import { LLM, connect } from './sdk.mjs';
import { Story, expect } from './story.mjs';

const story = new Story('openai Node');
const [CREATE, SOCKET] = ['POST /v1/responses', 'WS /v1/responses'];
const MODELS = { models: true };
const parameters = {
  type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false,
};
const WEATHER = { type: 'function', name: 'get_weather', description: 'The weather in a city.', parameters, strict: true };

const respond = (server, options) =>
  connect(server).responses.create({ model: LLM, input: 'Say hello.', max_output_tokens: 200, ...options });

story.works(CREATE, 'a question is answered, with usage and its details', async (server) => {
  const answer = await respond(server);
  expect(answer.status === 'completed' && answer.output_text && answer.usage.input_tokens_details, answer);
});

story.works(CREATE, 'a stream has every event of a text, numbered and in order', async (server) => {
  const events = [];
  for await (const event of await respond(server, { stream: true })) events.push(event);
  const kinds = events.map((it) => it.type);
  expect(kinds[0] === 'response.created' && kinds.at(-1) === 'response.completed', kinds);
  expect(events.every((it, i) => it.sequence_number === events[0].sequence_number + i), kinds);
});

story.works(CREATE, 'previous_response_id goes on with the conversation', async (server) => {
  const first = await respond(server, { input: 'My name is Alice.', temperature: 0, max_output_tokens: 24 });
  const second = await respond(server, { input: 'What is my name?', previous_response_id: first.id, temperature: 0 });
  expect(/alice/i.test(second.output_text), second.output_text);
}, MODELS);

story.works(CREATE, 'parse with a zod schema brings a value of it', async (server) => {
  const Visit = z.object({ name: z.string(), day: z.enum(['thursday', 'friday']), guests: z.number().int() });
  const input = 'Anna comes on Friday with two guests. Give name, day and guests as JSON.';
  const text = { format: zodTextFormat(Visit, 'visit') };
  const answer = await connect(server).responses.parse({ model: LLM, input, text, temperature: 0 });
  expect(answer.output_parsed?.day === 'friday', answer);
}, MODELS);

story.works(CREATE, 'a tool is called', async (server) => {
  const options = { input: 'What is the weather in Paris? Use the tool.', tools: [WEATHER], temperature: 0 };
  const { output } = await respond(server, { ...options, max_output_tokens: 60 });
  const call = output.find((item) => item.type === 'function_call');
  expect(call?.name === 'get_weather' && /paris/i.test(JSON.parse(call.arguments).city), output);
}, MODELS);

story.works('GET /v1/responses/{id}', 'a stored answer is found again, and forgotten when deleted', async (server) => {
  const client = connect(server);
  const { id } = await respond(server);
  expect((await client.responses.retrieve(id)).id === id, id);
  await client.responses.delete(id);
  const after = await client.responses.retrieve(id).catch((error) => error.status);
  expect(after === 404, after);
});

story.works(SOCKET, 'a question is answered by the events of a stream', async (server) => {
  const socket = new ResponsesWS(connect(server));
  const events = await new Promise((resolve, reject) => {
    const seen = [];
    socket.on('event', (event) => {
      seen.push(event);
      if (['response.completed', 'response.incomplete', 'error'].includes(event.type)) resolve(seen);
    });
    socket.on('error', reject);
    socket.send({ type: 'response.create', model: LLM, input: 'Say hello.', max_output_tokens: 200 });
  }).finally(() => socket.close());
  expect(events[0].type === 'response.created' && events.at(-1).type === 'response.completed', events.at(-1));
});

await story.run();
