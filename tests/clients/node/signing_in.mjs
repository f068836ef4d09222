// What the clients of Node that sign in have in common: as python/signing_in.py says.

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

export const TOOL = 'whoami';

export function openBrowser(url) {
  execFileSync(process.env.BROWSER, [url]);
}

// Where the browser comes back to (RFC 8252, section 7.3).
export async function loopback() {
  let come;
  const answer = new Promise((resolve) => (come = resolve));
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    response.setHeader('Connection', 'close').end('You may close this page.');
    if (url.pathname === '/callback') come(url.searchParams);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    redirectUri: `http://127.0.0.1:${server.address().port}/callback`,
    answer,
    close: () => server.close(),
  };
}

// The store and the browser that both generations of the TypeScript SDK ask for.
export class Provider {
  constructor(name, redirectUri) {
    this.redirectUrl = redirectUri;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    };
    this.kept = {};
  }
  clientInformation() {
    return this.kept.client;
  }
  saveClientInformation(client) {
    this.kept.client = client;
  }
  tokens() {
    return this.kept.tokens;
  }
  saveTokens(tokens) {
    this.kept.tokens = tokens;
  }
  codeVerifier() {
    return this.kept.verifier;
  }
  saveCodeVerifier(verifier) {
    this.kept.verifier = verifier;
  }
  discoveryState() {
    return this.kept.discovery;
  }
  saveDiscoveryState(state) {
    this.kept.discovery = state;
  }
  redirectToAuthorization(url) {
    openBrowser(url.href);
  }
}

export async function main(version, connect) {
  say({ version });
  const { call, close } = await connect(process.argv[2]);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== 'call') break;
    try {
      say({ said: await call() });
    } catch (error) {
      say({ error: String(error) });
      throw error;
    }
  }
  await close();
}

export function say(line) {
  console.log(JSON.stringify(line));
}
