// The TypeScript SDK 1.x, `@modelcontextprotocol/sdk`.

import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { CONFIRMED, Mailbox, SUMMARY, main, mayAnswer, versionOf, watchedFetch } from './capabilities.mjs';

// A client on any transport of the SDK; `listening` resolves when the transport hears of changes.
export async function adapt(transport, listening) {
  const client = new Client({ name: 'sdk1', version: '1' }, { capabilities: { sampling: {}, elicitation: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, async () => {
    await mayAnswer();
    return { role: 'assistant', content: { type: 'text', text: SUMMARY }, model: 'test-model' };
  });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: CONFIRMED }));
  const updates = new Mailbox();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updates.put(params.uri));
  await client.connect(transport);
  return {
    async listTools() {
      return (await client.listTools()).tools.map((tool) => tool.name);
    },
    async call(name, args, { onprogress, signal } = {}) {
      const result = await client.callTool({ name, arguments: args }, undefined, {
        onprogress: onprogress && (({ progress }) => onprogress(progress)),
        signal,
      });
      assert.equal(result.content.length, 1);
      return result.content[0].text;
    },
    async read(uri) {
      return (await client.readResource({ uri })).contents[0].text;
    },
    async watch(uri) {
      await listening;
      await client.subscribeResource({ uri });
      return updates;
    },
    async close() {
      // Ends the session as well, which closing alone does not.
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

async function connect(url, revision) {
  const { fetch, open } = watchedFetch();
  const transport = new StreamableHTTPClientTransport(new URL(url), { fetch });
  const client = await adapt(transport, open);
  assert.equal(transport.protocolVersion, revision);
  return client;
}

if (import.meta.main) await main(versionOf('@modelcontextprotocol/sdk'), connect);
