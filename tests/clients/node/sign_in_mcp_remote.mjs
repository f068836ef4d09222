// `mcp-remote` signs a person in for a client that only speaks over standard input and output: the TypeScript SDK 1.x.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { programOf, versionOf } from './capabilities.mjs';
import { TOOL, main } from './signing_in.mjs';

// A person signs in meanwhile.
const PATIENCE_MS = 120_000;

async function connect(url) {
  // What it remembers, and its locks, are not those of this machine's user.
  const folder = await mkdtemp(path.join(tmpdir(), 'mcp-remote-'));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [programOf('mcp-remote'), url, '--transport', 'http-only'],
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: folder },
    stderr: 'inherit',
  });
  const client = new Client({ name: 'mcp-remote', version: '1' });
  await client.connect(transport, { timeout: PATIENCE_MS });
  return {
    async call() {
      const { content } = await client.callTool({ name: TOOL, arguments: {} });
      return content[0].text;
    },
    async close() {
      await client.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

await main(versionOf('mcp-remote'), connect);
