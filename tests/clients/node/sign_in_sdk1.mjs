// The TypeScript SDK 1.x, `@modelcontextprotocol/sdk`, signs a person in.

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { versionOf } from './capabilities.mjs';
import { signedIn } from './sign_in_sdk.mjs';
import { main } from './signing_in.mjs';

const classes = { Client, StreamableHTTPClientTransport, UnauthorizedError };
await main(versionOf('@modelcontextprotocol/sdk'), (url) => signedIn('TypeScript SDK 1', classes, url));
