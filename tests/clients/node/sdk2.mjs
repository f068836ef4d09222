// The TypeScript SDK 2.x, in Node.

import { main, versionOf } from './capabilities.mjs';
import { connect } from './sdk2_client.mjs';

await main(versionOf('@modelcontextprotocol/client'), connect);
