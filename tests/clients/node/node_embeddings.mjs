// OpenAI's Node client: texts become vectors.
import { EMBEDDING, connect } from './sdk.mjs';
import { Story, expect } from './story.mjs';

const story = new Story('openai Node');
const EMBEDDINGS = 'POST /v1/embeddings';

story.works(EMBEDDINGS, 'what the client asks for by default, base64, is the floats it asks for otherwise', async (server) => {
  const embed = (options) => connect(server).embeddings.create({ model: EMBEDDING, input: 'a cat', ...options });
  const [decoded, floats] = [await embed(), await embed({ encoding_format: 'float' })].map((it) => it.data[0].embedding);
  expect(decoded.length === floats.length && decoded.length > 100, [decoded.length, floats.length]);
  expect(decoded.every((value, i) => Math.abs(value - floats[i]) < 1e-5), 'they differ');
});

story.works(EMBEDDINGS, 'several texts are embedded in order, with usage', async (server) => {
  const answer = await connect(server).embeddings.create({ model: EMBEDDING, input: ['a cat', 'a dog'] });
  expect(answer.data.map((it) => it.index).join() === '0,1' && answer.usage.prompt_tokens > 0, answer.usage);
});

await story.run();
