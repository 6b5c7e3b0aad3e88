// Claims about a server, each checked by a real client and told as one line of JSON; as story.py does for Python.
//
//     STORY.mjs --list                  tells the claims, without a server
//     STORY.mjs BASE_URL KEY [PART..]   checks them, or those whose names hold one of the parts

/** How long one check may take on a busy machine without a GPU, ms. */
const PATIENCE_MS = 150_000;

export class Story {
  constructor(client) {
    this.client = client;
    this.claims = [];
  }

  /** The check passes when it throws nothing. `models`: only real models can do this. */
  works(endpoint, text, check, { models = false } = {}) {
    this.claims.push({ endpoint, text, outcome: 'works', models, check });
  }

  /** The check passes when the client throws a 400 that names `param`. */
  refused(endpoint, text, param, check) {
    this.claims.push({ endpoint, text, outcome: 'refused', models: false, param, check });
  }

  /** The check passes when the client throws a 404 for the route. */
  absent(endpoint, text, check) {
    this.claims.push({ endpoint, text, outcome: 'absent', models: false, check });
  }

  /** Does what the command line says, and ends with 1 if a claim did not hold. */
  async run([first, key, ...parts] = process.argv.slice(2)) {
    if (first === '--list') {
      for (const claim of this.claims) this.tell(claim);
      return;
    }
    const server = { baseURL: first.replace(/\/$/, ''), key };
    let broken = 0;
    for (const claim of this.claims) {
      if (process.env.TRUNKLINE_FAKES && claim.models) continue;
      if (parts.length && !parts.some((part) => `${claim.endpoint} ${claim.text}`.includes(part))) continue;
      const began = Date.now();
      const failure = await failureOf(claim, server);
      const seconds = (Date.now() - began) / 1000;
      this.tell(claim, { ok: failure === null, detail: failure ?? '', seconds });
      broken += failure === null ? 0 : 1;
    }
    process.exit(broken ? 1 : 0);
  }

  tell({ endpoint, text, outcome, models }, result = {}) {
    const line = { client: this.client, endpoint, check: text, outcome, needs_models: models, ...result };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

/** Why a claim does not hold. */
async function failureOf(claim, server) {
  let clock;
  const tooLong = new Promise((_, reject) => {
    clock = setTimeout(() => reject(new Error(`not done after ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    await Promise.race([claim.check(server), tooLong]);
    return claim.outcome === 'works' ? null : 'no error was thrown';
  } catch (error) {
    return isExpected(claim, error) ? null : describe(error);
  } finally {
    clearTimeout(clock);
  }
}

function isExpected({ outcome, param }, error) {
  if (outcome === 'refused') return error.status === 400 && (error.param ?? undefined) === param;
  return outcome === 'absent' && (error.status === 404 || error.status === 405);
}

function describe(error) {
  const place = /node\/(?!story\.mjs)([\w-]+\.mjs:\d+)/.exec(error.stack ?? '')?.[1];
  const param = error.param ? ` (param ${error.param})` : '';
  return `${error.name ?? 'Error'}: ${error.message}`.slice(0, 1500) + param + (place ? ` at ${place}` : '');
}

/** Fails the check with what was seen. */
export function expect(holds, seen) {
  if (!holds) throw new Error(typeof seen === 'string' ? seen : JSON.stringify(seen)?.slice(0, 1200));
}
