// Signs a person in with the classes of either generation of the TypeScript SDK, as its documentation shows: the first
// attempt opens a page and fails, and the second one has the code.

import assert from 'node:assert/strict';
import { Provider, TOOL, loopback } from './signing_in.mjs';

export async function signedIn(name, { Client, StreamableHTTPClientTransport, UnauthorizedError }, url) {
  const back = await loopback();
  const authProvider = new Provider(name, back.redirectUri);
  const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const client = () => new Client({ name, version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const refused = transport();
  await assert.rejects(client().connect(refused), (error) => error instanceof UnauthorizedError);
  const answer = await back.answer;
  // The second generation compares `iss` itself.
  await refused.finishAuth(answer.get('code'), answer.get('iss') ?? undefined);
  back.close();
  const signed = client();
  await signed.connect(transport());
  return {
    async call() {
      const { content } = await signed.callTool({ name: TOOL, arguments: {} });
      return content[0].text;
    },
    close: () => signed.close(),
  };
}
