// A certified OpenID provider (npm oidc-provider) as somebody would run it for an MCP server: access tokens are JWTs
// for one resource (RFC 8707), and people sign in through its own pages.
//
//     node server.mjs RESOURCE LIFETIME
//
// RESOURCE is the URL of the MCP server, RESOURCE/other that of another one; LIFETIME is how many seconds an access
// token is good for. Prints one JSON object per line, as the processes of the fleet do: first
// {"message": "listening", "issuer": URL}, then {"message": "granted", "grant": GRANT_TYPE} for every token response.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const [resource, lifetime] = process.argv.slice(2);
const SCOPES = 'mcp.read mcp.call';

const clients = [
  {
    client_id: 'interactive',
    // Any port of the loopback address will do (RFC 8252, section 7.3).
    application_type: 'native',
    redirect_uris: ['http://localhost/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  },
  {
    client_id: 'facade',
    client_secret: 'facade-secret',
    redirect_uris: [resource.replace(/mcp$/, 'oauth/callback')],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  service('service', 'client_secret_post', SCOPES),
  service('service-basic', 'client_secret_basic', SCOPES),
  service('reader', 'client_secret_post', 'mcp.read'),
];

function service(id, method, scope) {
  return {
    client_id: id,
    client_secret: `${id}-secret`,
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: method,
    scope,
  };
}

const say = (line) => console.log(JSON.stringify(line));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['only for the tests'] },
    scopes: ['openid', 'offline_access', ...SCOPES.split(' ')],
    features: {
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_ctx, indicator) {
          if (![resource, `${resource}/other`].includes(indicator)) throw new errors.InvalidTarget();
          return {
            scope: SCOPES,
            audience: indicator,
            accessTokenTTL: Number(lifetime),
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
      clientCredentials: { enabled: true },
    },
  });
  provider.on('grant.success', (ctx) => say({ message: 'granted', grant: ctx.oidc.params.grant_type }));
  const refused = (_ctx, error) => say({ message: 'refused', error: error.error_description ?? error.message });
  provider.on('grant.error', refused);
  provider.on('authorization.error', refused);
  provider.on('server_error', (_ctx, error) => say({ message: 'failed', level: 'ERROR', error: error.stack }));
  server.on('request', provider.callback());
  say({ message: 'listening', issuer });
});

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
