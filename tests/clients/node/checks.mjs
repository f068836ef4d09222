// What a client is put through, in Node and in a web page (../../browser): the same as ../python/capabilities.py.
// Nothing here needs Node but for `assert`, in place of which a page has one of its own.

import assert from 'node:assert/strict';

export const HANDSHAKE = '2025-11-25';
export const STATELESS = '2026-07-28';

// What the client's model and user answer, whenever they are asked.
// Some readers of event streams end a line at each of the last three.
export const SUMMARY = 'Two halves. \u2028\u2029\x85';
export const CONFIRMED = { confirm: true, time: '20:15' };

const README = 'everything://readme';
const NOTE = 'everything://notes/resume';
// The policy of the fleet that refuses says nothing of it.
const FORBIDDEN = 'everything://counter';
// A gateway takes 4 MiB.
const TOO_LARGE = 5 << 20;
// A worker of the fleet that refuses sends 64 KiB.
const TOO_LARGE_A_RESULT = 80 << 10;
// More than one caller may have under way at both gateways of that fleet.
const MORE_THAN_THE_SHARE = 12;

// Only something that hangs meets it.
const CAPABILITY_MS = 30_000;
const REFUSED_MS = 10_000;

// A connected client is an object with
//   listTools()                     → the names of all tools
//   call(tool, arguments, options)  → the text of the result; options: onprogress(progress), signal
//   read(uri)                       → the text of a resource
//   watch(uri)                      → { next() → the URI of the next update }; no change after it is missed
//   close()
// and, if one cannot know when a watch has begun, `hidesItsStream`.

export const CAPABILITIES = {
  async list({ client }) {
    const tools = await client.listTools();
    for (const tool of ['add', 'book_table', 'echo', 'long_running', 'summarize', 'touch_resource']) {
      assert(tools.includes(tool), `no ${tool} in ${tools}`);
    }
  },

  async call({ client }) {
    assert.equal(await client.call('echo', { text: 'Grüße, 世界' }), 'Grüße, 世界');
  },

  async progress({ client }) {
    const heard = [];
    const onprogress = (progress) => heard.push(progress);
    assert.equal(await client.call('long_running', { steps: 3, delay_ms: 100 }, { onprogress }), 'done after 3 steps');
    assert.deepEqual(heard, [1, 2, 3]);
  },

  async sampling({ client }) {
    // A client that does not offer sampling would get a mock summary.
    assert.equal(await client.call('summarize', { text: 'Gateways hold sockets.\u2028\x85Workers run tools.' }), SUMMARY);
  },

  async elicitation({ client }) {
    const order = { restaurant: 'Chez Ada', people: 4, date: '2026-12-24' };
    assert.equal(
      await client.call('book_table', order),
      'Booked: Chez Ada on 2026-12-24 at 20:15 for 4 people.',
    );
  },

  async read({ client }) {
    assert.match(await client.read(README), /^# PrynAI reference server/);
  },

  async update({ client, signal }) {
    const updates = await client.watch(NOTE);
    const touch = () => client.call('touch_resource', { uri: NOTE });
    await touch();
    // Changes made before such a client listens are not its own; one of the later ones it must hear.
    const timer = client.hidesItsStream ? setInterval(() => void touch().catch(() => {}), 500) : undefined;
    signal.addEventListener('abort', () => clearInterval(timer));
    try {
      assert.equal(await updates.next(), NOTE);
    } finally {
      clearInterval(timer);
    }
  },

  async cancel({ client, fleet }) {
    const controller = new AbortController();
    const call = client.call('long_running', { steps: 60, delay_ms: 1000 }, { signal: controller.signal });
    const ended = assert.rejects(call);
    await ask(fleet, 'working');
    controller.abort();
    await ended;
    // The client is not closed before that, which might end the call as well.
    await ask(fleet, 'idle');
  },
};

// What the client is refused, or left without an answer to, and must outlive.
export const ENDINGS = {
  async policy({ client }) {
    await isRefused(client.read(FORBIDDEN));
    await lives(client);
  },

  async too_large({ client }) {
    await isRefused(client.call('echo', { text: 'x'.repeat(TOO_LARGE) }));
    await lives(client);
  },

  async queue_full({ client, fleet, signal }) {
    await lives(client);
    await ask(fleet, 'full');
    try {
      await isRefused(client.call('echo', { text: 'x' }));
    } finally {
      await ask(fleet, 'room');
    }
    await livesAgain(client, signal);
  },

  async share({ client }) {
    await lives(client);
    const calls = Array.from({ length: MORE_THAN_THE_SHARE }, () =>
      client.call('long_running', { steps: 20, delay_ms: 100 }),
    );
    const ended = await Promise.allSettled(calls);
    const refused = ended.filter(({ status }) => status === 'rejected');
    console.error(`refused: ${String(refused[0]?.reason).slice(0, 300)}`);
    assert(0 < refused.length && refused.length < ended.length, `${refused.length} of ${ended.length}`);
    await lives(client);
  },

  async large_result({ client }) {
    await isRefused(client.call('echo', { text: 'x'.repeat(TOO_LARGE_A_RESULT) }));
    await lives(client);
  },

  async away({ client, fleet, signal }) {
    await lives(client);
    await ask(fleet, 'away');
    try {
      await isRefused(client.call('echo', { text: 'x' }));
    } finally {
      await ask(fleet, 'back');
    }
    await livesAgain(client, signal);
  },

  async late_answer({ client, fleet }) {
    const controller = new AbortController();
    const asked = holdAnswers();
    const ended = assert.rejects(client.call('summarize', { text: 'x' }, { signal: controller.signal }));
    await asked;
    controller.abort();
    await ended;
    await ask(fleet, 'idle');
    releaseAnswers();
    // The first call goes out behind the answer, or beside it.
    await lives(client);
    await lives(client);
  },

  async cancelled_stream({ client, fleet, signal }) {
    const updates = await client.watch(NOTE);
    const controller = new AbortController();
    const begun = new Mailbox();
    const call = client.call(
      'long_running',
      { steps: 600, delay_ms: 100 },
      { onprogress: () => begun.put(), signal: controller.signal },
    );
    const ended = assert.rejects(call);
    await begun.next();
    controller.abort();
    await ended;
    await ask(fleet, 'idle');
    await ask(fleet, 'quiet');
    // Neither the client nor the stream of its session has suffered.
    const touch = () => client.call('touch_resource', { uri: NOTE });
    await touch();
    const timer = client.hidesItsStream ? setInterval(() => void touch().catch(() => {}), 500) : undefined;
    signal.addEventListener('abort', () => clearInterval(timer));
    try {
      assert.equal(await updates.next(), NOTE);
    } finally {
      clearInterval(timer);
    }
  },
};

export const DEADLINE = {
  async deadline({ client }) {
    await isRefused(client.call('long_running', { steps: 60, delay_ms: 1000 }));
    await lives(client);
  },
};

// The client must be told, by whatever it throws, and soon.
async function isRefused(attempt) {
  const late = new Promise((resolve) => setTimeout(resolve, REFUSED_MS, 'the client is not told'));
  const refused = attempt.then(
    () => 'it is not refused',
    (error) => console.error(`refused: ${String(error).slice(0, 300)}`),
  );
  assert.equal(await Promise.race([refused, late]), undefined);
}

async function lives(client) {
  assert.equal(await client.call('echo', { text: 'still here' }), 'still here');
}

// A gateway takes a moment to know that it can serve.
async function livesAgain(client, signal) {
  for (;;) {
    try {
      return await lives(client);
    } catch (error) {
      if (signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

// What the client's model says can be kept back.
let asked = () => {};
let free = Promise.resolve();
let releaseAnswers = () => {};

// Resolves when the model is asked.
function holdAnswers() {
  free = new Promise((resolve) => {
    releaseAnswers = resolve;
  });
  return new Promise((resolve) => {
    asked = resolve;
  });
}

// For the client's model, before it answers.
export async function mayAnswer() {
  asked();
  await free;
}

// Waits for a state of the fleet (../fleet_work.py).
async function ask(fleet, question) {
  const answer = await fetch(`${fleet}/${question}`);
  assert(answer.ok, `the fleet does not become: ${question}`);
}

// Runs `use` with a client, and ends both when it takes too long.
export async function withClient(connect, use) {
  const deadline = AbortSignal.timeout(CAPABILITY_MS);
  const late = new Promise((_, reject) => {
    deadline.addEventListener('abort', () => reject(deadline.reason));
  });
  late.catch(() => {});
  const client = await Promise.race([connect(), late]);
  try {
    await Promise.race([use(client, deadline), late]);
  } finally {
    await Promise.race([client.close(), late]);
  }
}

// What arrives, for whoever asks next.
export class Mailbox {
  #arrived = [];
  #waiting = [];

  put(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#arrived.push(item);
  }

  next() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

// `fetch`, and a promise of the session's GET stream being open.
export function watchedFetch() {
  let opened;
  const open = new Promise((resolve) => {
    opened = resolve;
  });
  const watched = async (input, init) => {
    const response = await fetch(input, init);
    if ((init?.method ?? 'GET') === 'GET' && response.status === 200) opened();
    return response;
  };
  return { fetch: watched, open };
}
