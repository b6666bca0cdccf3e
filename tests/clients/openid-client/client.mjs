// openid-client as a client, jose as a verifier: discover, get tokens, verify them, be recognised.
//
// Nothing here knows a path of the server but `/v1/whoami` and where an account's keys are put; the rest is what openid-client finds in the metadata.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'

const { CARNET_URL: url, CARNET_TSG_ID: tsgId, CARNET_CLIENT_ID: clientId, CARNET_CLIENT_SECRET: secret } = process.env

// `oauth2` reads /.well-known/oauth-authorization-server, `oidc` /.well-known/openid-configuration.
function discover(algorithm, authentication) {
  const execute = url.startsWith('http:') ? [client.allowInsecureRequests] : []
  return client.discovery(new URL(url), clientId, undefined, authentication, { algorithm, execute, timeout: 10 })
}

// The access token as a resource server reads it (RFC 9068 §4).
async function verify(token, metadata) {
  const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri))
  const { payload } = await jose.jwtVerify(token.access_token, keys, {
    algorithms: ['RS256'],
    typ: 'at+jwt',
    issuer: metadata.issuer,
    audience: metadata.issuer,
    subject: clientId,
    requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'scope', 'tsg_id', 'roles', 'credential_id'],
  })
  assert.equal(payload.client_id, clientId)
  assert.equal(payload.tsg_id, tsgId)
  assert.ok(Math.abs(payload.exp - payload.iat - token.expires_in) <= 1, 'expires_in is not the lifetime of the token')
  return payload
}

async function walk(config, scope, audience) {
  const metadata = config.serverMetadata()
  assert.equal(metadata.issuer, url)
  const token = await client.clientCredentialsGrant(config, scope ? { scope } : {})
  assert.equal(token.scope, scope || `tsg_id:${tsgId}`)
  assert.equal(token.id_token, undefined)
  const claims = await verify(token, metadata)
  assert.deepEqual(claims.aud, audience)

  const answer = await client.fetchProtectedResource(config, token.access_token, new URL('/v1/whoami', url), 'GET')
  assert.equal(answer.status, 200)
  const caller = await answer.json()
  for (const member of ['client_id', 'tsg_id', 'credential_id', 'roles', 'scope']) {
    assert.deepEqual(caller[member], claims[member], member)
  }
  assert.equal(caller.audience, metadata.issuer)
  assert.equal(caller.product, null)
  assert.equal(caller.api_key_id, null)
}

const wrong = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0')

for (const algorithm of ['oauth2', 'oidc']) {
  for (const method of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const config = await discover(algorithm, method(secret))
    await walk(config, '', url)
    await walk(config, `tsg_id:${tsgId}`, [url, clientId])
  }

  // Without the Authorization header the answer is the error itself; with it, the challenge comes first (RFC 6749 §5.2).
  const posted = await discover(algorithm, client.ClientSecretPost(wrong))
  await assert.rejects(client.clientCredentialsGrant(posted), (error) => error instanceof client.ResponseBodyError && error.error === 'invalid_client')
  const basic = await discover(algorithm, client.ClientSecretBasic(wrong))
  await assert.rejects(
    client.clientCredentialsGrant(basic),
    (error) => error instanceof client.WWWAuthenticateChallengeError && error.status === 401 && error.cause[0].scheme === 'basic',
  )
}

// Keys of its own, of each kind. openid-client takes the issuer for the audience and one minute for the lifetime, as they should be; it
// calls Ed25519 by the name of RFC 9864, the server by that of RFC 8037.
const kinds = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
}
const pairs = {}
for (const [alg, kind] of Object.entries(kinds)) {
  pairs[alg] = await crypto.subtle.generateKey(kind, true, ['sign', 'verify'])
}

const manager = await discover('oauth2', client.ClientSecretBasic(secret))
const management = (await client.clientCredentialsGrant(manager)).access_token
const ask = async (method, path, body) => {
  const headers = new Headers({ 'content-type': 'application/json', 'if-match': '*' })
  const answer = await client.fetchProtectedResource(manager, management, new URL(path, url), method, body && JSON.stringify(body), headers)
  assert.equal(answer.status, 200)
  return answer.json()
}
const account = (await ask('GET', '/v1/whoami')).service_account_id
const keys = []
for (const [alg, pair] of Object.entries(pairs)) {
  keys.push({ ...(await jose.exportJWK(pair.publicKey)), alg, kid: `key for ${alg}` })
}
await ask('PUT', `/v1/tenants/${tsgId}/service-accounts/${account}/jwks`, { keys })

for (const [alg, { privateKey: key }] of Object.entries(pairs)) {
  let replay
  const modify = (header, payload) => {
    header.alg = alg
    payload.jti = replay ?? payload.jti
  }
  const method = () => client.PrivateKeyJwt({ key, kid: `key for ${alg}` }, { [client.modifyAssertion]: modify })
  for (const algorithm of ['oauth2', 'oidc']) {
    const config = await discover(algorithm, method())
    assert.ok(config.serverMetadata().token_endpoint_auth_methods_supported.includes('private_key_jwt'))
    assert.ok(config.serverMetadata().token_endpoint_auth_signing_alg_values_supported.includes(alg))
    await walk(config, '', url)
    await walk(config, `tsg_id:${tsgId}`, [url, clientId])
  }
  const config = await discover('oauth2', method())
  const refused = (error) => error instanceof client.ResponseBodyError && error.error === 'invalid_client'
  replay = `${alg} ${Date.now()}`
  await walk(config, '', url)
  await assert.rejects(client.clientCredentialsGrant(config), refused)
}

// Tokens that are bound to a key (DPoP, RFC 9449). openid-client comes again with a nonce by itself, at the token endpoint and at the resource.
for (const alg of ['ES256', 'PS256']) {
  const config = await discover('oauth2', client.ClientSecretBasic(secret))
  assert.ok(config.serverMetadata().dpop_signing_alg_values_supported.includes(alg))
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))
  const token = await client.clientCredentialsGrant(config, {}, { DPoP })
  assert.equal(token.token_type, 'dpop')
  const claims = await verify(token, config.serverMetadata())
  assert.equal(claims.cnf.jkt, await DPoP.calculateThumbprint())
  const whoami = (options) => client.fetchProtectedResource(config, token.access_token, new URL('/v1/whoami', url), 'GET', undefined, undefined, options)
  for (let n = 0; n < 2; n++) assert.equal((await whoami({ DPoP })).status, 200)
  await assert.rejects(whoami(), (error) => error.cause[0].parameters.error === 'invalid_token')
  const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))
  await assert.rejects(whoami({ DPoP: stranger }), (error) => error.cause[0].scheme === 'dpop' && error.cause[0].parameters.error === 'invalid_dpop_proof')
}

// A token that is not ours is refused with a challenge that openid-client can read (RFC 6750 §3).
const config = await discover('oauth2', client.ClientSecretBasic(secret))
await assert.rejects(
  client.fetchProtectedResource(config, 'e30.e30.c2ln', new URL('/v1/whoami', url), 'GET'),
  (error) => error instanceof client.WWWAuthenticateChallengeError && error.cause[0].parameters.error === 'invalid_token',
)
