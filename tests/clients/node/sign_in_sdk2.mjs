// The TypeScript SDK 2.x, `@modelcontextprotocol/client`, signs a person in.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { versionOf } from './capabilities.mjs';
import { signedIn } from './sign_in_sdk.mjs';
import { main } from './signing_in.mjs';

const classes = { Client, StreamableHTTPClientTransport, UnauthorizedError };
await main(versionOf('@modelcontextprotocol/client'), (url) => signedIn('TypeScript SDK 2', classes, url));
