// `mcp-remote`, which carries the messages of a client that only speaks over standard input and output: here the
// TypeScript SDK 1.x. With `--protocol auto` it speaks 2026-07-28 to the server on behalf of such a client.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { STATELESS, main, programOf, versionOf } from './capabilities.mjs';
import { adapt } from './sdk1.mjs';

async function connect(url, revision) {
  // What it remembers, and its locks, are not those of this machine's user.
  const folder = await mkdtemp(path.join(tmpdir(), 'mcp-remote-'));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [programOf('mcp-remote'), url, '--transport', 'http-only', '--protocol', revision === STATELESS ? 'auto' : 'legacy'],
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: folder },
  });
  const client = await adapt(transport);
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

await main(versionOf('mcp-remote'), connect);
