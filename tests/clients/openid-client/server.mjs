// The server as openid-client finds it, and what everybody asks of it. Nothing here knows a path of the server but `/v1/whoami` and
// where accounts are kept; the rest is what openid-client finds in the metadata.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'

export const { CARNET_URL: url, CARNET_TSG_ID: tsgId, CARNET_CLIENT_ID: clientId, CARNET_CLIENT_SECRET: secret } = process.env
export const wrong = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0')

// `oauth2` reads /.well-known/oauth-authorization-server, `oidc` /.well-known/openid-configuration.
export function discover(algorithm, authentication, metadata, id = clientId, options = {}) {
  const execute = url.startsWith('http:') ? [client.allowInsecureRequests] : []
  return client.discovery(new URL(url), id, metadata, authentication, { algorithm, execute, timeout: 10, ...options })
}

// The access token as a resource server reads it (RFC 9068 §4).
export async function verify(token, metadata, id = clientId) {
  const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri))
  const { payload } = await jose.jwtVerify(token.access_token, keys, {
    algorithms: ['RS256'],
    typ: 'at+jwt',
    issuer: metadata.issuer,
    audience: metadata.issuer,
    subject: id,
    requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'scope', 'tsg_id', 'credential_id'],
  })
  assert.equal(payload.client_id, id)
  assert.equal(payload.tsg_id, tsgId)
  assert.ok(Math.abs(payload.exp - payload.iat - token.expires_in) <= 1, 'expires_in is not the lifetime of the token')
  return payload
}

export const whoami = (config, token, options) =>
  client.fetchProtectedResource(config, token, new URL('/v1/whoami', url), 'GET', undefined, undefined, options)

// The management API, by a token that its administrator's secret got.
export async function manager() {
  const config = await discover('oauth2', client.ClientSecretBasic(secret))
  const { access_token: token } = await client.clientCredentialsGrant(config)
  const account = (await (await whoami(config, token)).json()).service_account_id
  const ask = async (method, path, body, expected = 200) => {
    const headers = new Headers({ 'content-type': 'application/json', 'if-match': '*' })
    const address = new URL(`/v1/tenants/${tsgId}/service-accounts${path}`, url)
    const answer = await client.fetchProtectedResource(config, token, address, method, body && JSON.stringify(body), headers)
    assert.equal(answer.status, expected)
    return answer.json()
  }
  return { account, ask }
}

// openid-client says which error it was told, or by which challenge it was refused.
export const refused = (code) => (error) => error instanceof client.ResponseBodyError && error.error === code
export const challenged = (scheme, code) => (error) =>
  error instanceof client.WWWAuthenticateChallengeError &&
  error.status === 401 &&
  error.cause.some((one) => one.scheme === scheme && one.parameters.error === code)
