// The other server: oidc-provider, set up as near to Carnet as its settings go.

import { createServer } from 'node:http'
import { errors, Provider } from 'oidc-provider'

const { InvalidTarget } = errors

// Starts it on a port of its own; where it is, and how to end it. Each client: { id, secret } or { id, jwk }, as Carnet knows them.
export async function startProvider(clients) {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${server.address().port}`
  const resource = { scope: 'openid email profile', accessTokenFormat: 'opaque', accessTokenTTL: 900 }
  const provider = new Provider(issuer, {
    clients: clients.map(({ id, secret, jwk }) => ({
      client_id: id,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      ...(secret
        ? { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' }
        : { jwks: { keys: [jwk] }, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256' }),
    })),
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
    scopes: ['openid', 'email', 'profile'],
    ttl: { ClientCredentials: 900 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer,
        getResourceServerInfo: (_, indicator) => {
          if (indicator === issuer) return resource
          throw new InvalidTarget()
        },
        useGrantedResource: () => true,
      },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
    },
  })
  // Its own remarks on a server that is for tests.
  provider.on('server_error', (_, error) => console.error('oidc-provider:', error))
  server.on('request', provider.callback())
  return { issuer, stop: () => server.close() }
}
