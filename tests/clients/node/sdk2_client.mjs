// The TypeScript SDK 2.x, `@modelcontextprotocol/client`, which speaks both eras, in Node and in a web page.

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { CONFIRMED, Mailbox, STATELESS, SUMMARY, mayAnswer, watchedFetch } from './checks.mjs';

export async function connect(url, revision) {
  const { fetch, open } = watchedFetch();
  const transport = new StreamableHTTPClientTransport(new URL(url), { fetch });
  const client = new Client(
    { name: 'sdk2', version: '1' },
    {
      capabilities: { sampling: {}, elicitation: {} },
      versionNegotiation: { mode: revision === STATELESS ? 'auto' : 'legacy' },
    },
  );
  client.setRequestHandler('sampling/createMessage', async () => {
    await mayAnswer();
    return { role: 'assistant', content: { type: 'text', text: SUMMARY }, model: 'test-model' };
  });
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: CONFIRMED }));
  const updates = new Mailbox();
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => updates.put(params.uri));
  await client.connect(transport);
  assert.equal(client.getNegotiatedProtocolVersion(), revision);
  return {
    async listTools() {
      return (await client.listTools()).tools.map((tool) => tool.name);
    },
    async call(name, args, { onprogress, signal } = {}) {
      const result = await client.callTool(
        { name, arguments: args },
        { onprogress: onprogress && (({ progress }) => onprogress(progress)), signal },
      );
      assert.equal(result.content.length, 1);
      return result.content[0].text;
    },
    async read(uri) {
      return (await client.readResource({ uri })).contents[0].text;
    },
    async watch(uri) {
      if (revision === STATELESS) {
        await client.listen({ resourceSubscriptions: [uri] });
      } else {
        await open;
        await client.subscribeResource({ uri });
      }
      return updates;
    },
    async close() {
      await transport.terminateSession();
      await client.close();
    },
  };
}
