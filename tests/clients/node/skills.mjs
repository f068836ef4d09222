// The host of skills of the TypeScript SDK 2.x (`@modelcontextprotocol/client/ext/skills`) finds a skill, checks each
// of its files against the entry, and walks its directories. Reports as capabilities.mjs says.
//
//     node skills.mjs URL REVISION

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { SkillsClient } from '@modelcontextprotocol/client/ext/skills';
import { say, versionOf } from './capabilities.mjs';

const STATELESS = '2026-07-28';
const LIMIT_MS = 30_000;
// Each worker of the fleet is asked for each file.
const ROUNDS = 4;

const [url, revision] = process.argv.slice(2);

async function useSkills() {
  const client = new Client(
    { name: 'host', version: '1' },
    { versionNegotiation: { mode: revision === STATELESS ? 'auto' : 'legacy' } },
  );
  const transport = new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport);
  assert.equal(client.getNegotiatedProtocolVersion(), revision);
  const host = new SkillsClient(client);
  assert.deepEqual([host.supported, host.directoryRead], [true, true]);
  const { skills } = await host.list();
  assert.deepEqual(skills.map(({ uri }) => uri), ['skill://demo-skill/SKILL.md']);
  const { skill } = await host.get(skills[0].uri);
  assert.deepEqual(skill, skills[0]);
  const files = skill.resources.map(({ uri }) => uri);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const uri of files) {
      const { verified, bytes } = await host.read(skill, uri, { cacheMode: 'refresh' });
      assert.deepEqual([verified, bytes.length > 0], [true, true]);
    }
  }
  const found = [];
  const directories = ['skill://demo-skill'];
  for (const directory of directories) {
    for (const { uri, mimeType } of (await host.readDirectory(directory)).resources) {
      (mimeType === 'inode/directory' ? directories : found).push(uri);
    }
  }
  assert.deepEqual(found.sort(), files.sort());
  await assert.rejects(host.get('skill://no-such-skill/SKILL.md'), { code: -32602 });
  await transport.terminateSession();
  await client.close();
}

say({ version: versionOf('@modelcontextprotocol/client') });
const late = setTimeout(() => {
  console.error('it takes too long');
  process.exit(1);
}, LIMIT_MS);
try {
  await useSkills();
  say({ capability: 'skills', outcome: 'ok' });
} catch (error) {
  console.error(error);
  say({ capability: 'skills', outcome: 'failed' });
}
clearTimeout(late);
