// What a client is put through, in Node and in a web page (../../browser): the same as ../python/capabilities.py. Nothing
// here needs Node but for `assert`, in place of which a page has one of its own.

import assert from 'node:assert/strict';

export const HANDSHAKE = '2025-11-25';
export const STATELESS = '2026-07-28';

// What the client's model and user answer, whenever they are asked.
export const SUMMARY = 'Two halves.';
export const CONFIRMED = { confirm: true, time: '20:15' };

const README = 'everything://readme';
const NOTE = 'everything://notes/resume';

// Only something that hangs meets it.
const CAPABILITY_MS = 30_000;

// A connected client is an object with
//   listTools()                     → the names of all tools
//   call(tool, arguments, options)  → the text of the result; options: onprogress(progress), signal
//   read(uri)                       → the text of a resource
//   watch(uri)                      → { next() → the URI of the next update }; no change after it is missed
//   close()
// and, if one cannot know when a watch has begun, `hidesItsStream`.

export const CHECKS = {
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
    assert.equal(await client.call('summarize', { text: 'Gateways hold sockets. Workers run tools.' }), SUMMARY);
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
