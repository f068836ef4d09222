// `mcp-remote`, which carries the messages of a client that only speaks over standard input and output: here the
// TypeScript SDK 1.x. With `--protocol auto` it speaks 2026-07-28 to the server on behalf of such a client.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { STATELESS, main, programOf, versionOf } from './capabilities.mjs';
import { adapt } from './sdk1.mjs';

const NO_CANCEL =
  'With `--protocol auto` it passes `notifications/cancelled` on as a POST and keeps the response open; over HTTP, ' +
  '2026-07-28 knows no other cancel than closing the response.';

async function connect(url, revision) {
  const stateless = revision === STATELESS;
  // What it remembers, and its locks, are not those of this machine's user.
  const folder = await mkdtemp(path.join(tmpdir(), 'mcp-remote-'));
  const options = ['--transport', 'http-only', '--protocol', stateless ? 'auto' : 'legacy'];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [programOf('mcp-remote'), url, ...options],
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: folder },
    stderr: 'pipe',
  });
  const bridged = says(transport.stderr, `speaks MCP ${STATELESS}`);
  const client = await adapt(transport);
  handOverOneAtATime(transport);
  if (stateless) await bridged;
  return {
    ...client,
    // It does not tell when it hears of changes.
    hidesItsStream: true,
    async close() {
      await client.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

// SDK 1.x loses a progress notification that is read in one piece with the result of its call, which happens over
// standard input and output: it handles responses at once and notifications a moment later. What counts here is what
// `mcp-remote` delivers, so each message gets its moment.
function handOverOneAtATime(transport) {
  const handle = transport.onmessage;
  let before = Promise.resolve();
  transport.onmessage = (message) => {
    before = before.then(() => new Promise(setImmediate)).then(() => handle(message));
  };
}

// Resolves when the words are in the stream; passes all on to this program's.
function says(stream, words) {
  return new Promise((resolve) => {
    let said = '';
    stream.on('data', (chunk) => {
      process.stderr.write(chunk);
      said += chunk;
      if (said.includes(words)) resolve();
    });
  });
}

const missing = process.argv[4] === STATELESS ? { cancel: NO_CANCEL } : {};
await main(versionOf('mcp-remote'), connect, missing);
