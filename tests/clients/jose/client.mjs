// jose as a verifier that knows nothing but the JWKS, and as the maker of a client's assertions; fetch does the rest.
//
// What it verifies: access tokens, signed answers about them, status lists.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import { introspect } from './introspection.mjs'
import { followStatus } from './status-list.mjs'

const { CARNET_URL: url, CARNET_TSG_ID: tsgId, CARNET_CLIENT_ID: clientId, CARNET_CLIENT_SECRET: secret } = process.env
const signal = () => AbortSignal.timeout(10_000)

async function json(path, expected, init = {}) {
  const answer = await fetch(new URL(path, url), { signal: signal(), redirect: 'error', ...init })
  assert.equal(answer.status, expected, `${path}: ${answer.status}`)
  return answer.json()
}

const metadata = await json('/.well-known/oauth-authorization-server', 200)
assert.equal(metadata.issuer, url)
const ask = (form, expected = 200) =>
  json(metadata.token_endpoint, expected, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
  })

const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri))
const rules = {
  algorithms: ['RS256'],
  typ: 'at+jwt',
  issuer: url,
  audience: url,
  subject: clientId,
  requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'scope', 'tsg_id', 'credential_id'],
}

// The token, once with the keys that jose fetches when it needs them, once with the set as it was.
const { access_token: token, expires_in: expiresIn } = await ask({ client_id: clientId, client_secret: secret })
const { payload, protectedHeader } = await jose.jwtVerify(token, keys, rules)
assert.equal(payload.exp - payload.iat, expiresIn)
assert.deepEqual(payload.roles, ['superuser'])
const set = await json(metadata.jwks_uri, 200)
await jose.jwtVerify(token, jose.createLocalJWKSet(set), rules)
const own = set.keys.find((key) => key.kid === protectedHeader.kid)
assert.equal(await jose.calculateJwkThumbprint(own), own.kid)
for (const key of set.keys) {
  assert.equal((await jose.importJWK(key)).type, 'public')
}

// The controls: what was changed, what is over, and what is meant for others is refused by the very same verifier.
const invalid = (code) => (error) => error.code === code
const [header, body, signature] = token.split('.')
const changed = jose.base64url.encode(JSON.stringify({ ...payload, tsg_id: '9999999999' }))
await assert.rejects(jose.jwtVerify(`${header}.${changed}.${signature}`, keys, rules), invalid('ERR_JWS_SIGNATURE_VERIFICATION_FAILED'))
const none = jose.base64url.encode(JSON.stringify({ ...protectedHeader, alg: 'none' }))
await assert.rejects(jose.jwtVerify(`${none}.${body}.`, keys, rules), invalid('ERR_JOSE_ALG_NOT_ALLOWED'))
await assert.rejects(jose.jwtVerify(token, keys, { ...rules, audience: 'https://other.example' }), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED'))
await assert.rejects(jose.jwtVerify(token, keys, { ...rules, currentDate: new Date(payload.exp * 1000) }), invalid('ERR_JWT_EXPIRED'))

// Assertions with a key of each kind, put there with the token above (RFC 7523 §2.2).
const bearer = { authorization: `Bearer ${token}` }
const account = (await json('/v1/whoami', 200, { headers: bearer })).service_account_id
const pairs = []
for (const alg of metadata.token_endpoint_auth_signing_alg_values_supported) {
  pairs.push({ alg, ...(await jose.generateKeyPair(alg === 'EdDSA' ? 'Ed25519' : alg, { extractable: true })) })
}
const published = []
for (const { alg, publicKey } of pairs) {
  published.push({ ...(await jose.exportJWK(publicKey)), alg, kid: `jose ${alg}` })
}
const manage = (method, path, body, expected = 200) =>
  json(`/v1/tenants/${tsgId}/service-accounts${path}`, expected, {
    method,
    headers: { ...bearer, 'content-type': 'application/json', 'if-match': '*' },
    body: body && JSON.stringify(body),
  })
await manage('PUT', `/${account}/jwks`, { keys: published })

const assertion = ({ alg, privateKey }, { audience = url, expires = '1m', typ = 'JWT' } = {}) =>
  new jose.SignJWT()
    .setProtectedHeader({ alg, kid: `jose ${alg}`, typ })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(expires)
    .setJti(crypto.randomUUID())
    .sign(privateKey)
const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

for (const pair of pairs) {
  for (const typ of ['JWT', 'client-authentication+jwt']) {
    const good = await assertion(pair, { typ })
    const answer = await ask({ client_assertion_type: type, client_assertion: good })
    const { payload } = await jose.jwtVerify(answer.access_token, keys, rules)
    assert.match(payload.credential_id, /^jkt:/)
    assert.equal((await ask({ client_assertion_type: type, client_assertion: good }, 401)).error, 'invalid_client')
  }
  for (const bad of [{ audience: metadata.token_endpoint }, { expires: '1h' }, { expires: '-1m' }, { typ: 'at+jwt' }]) {
    const answer = await ask({ client_assertion_type: type, client_assertion: await assertion(pair, bad) }, 401)
    assert.equal(answer.error, 'invalid_client', JSON.stringify(bad))
  }
}

const verify = async (text, subject = clientId) => (await jose.jwtVerify(text, keys, { ...rules, subject })).payload
await followStatus(metadata, keys, { manage, ask, verify, mine: token })
await introspect(metadata, keys, { id: clientId, secret }, token)
