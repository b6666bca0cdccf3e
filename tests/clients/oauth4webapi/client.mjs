// oauth4webapi as a client and as a resource server: discover, get tokens, exchange them, validate them by RFC 9068, be recognised, be
// told of them, take them back.
//
// It is what openid-client stands on, used directly: stricter, and without a default for anything.

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { proveByCertificate } from './certificate.mjs'
import { bindTokens } from './dpop.mjs'
import { findTheIssuer } from './resource.mjs'
import { ask, basic, call, challenged, client, clientId, discover, http, refused, secret, tsgId, url, validate, wrong } from './server.mjs'
import { beTold } from './telling.mjs'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

async function exchange(as, authentication, subject, parameters = {}) {
  const form = { subject_token: subject, subject_token_type: ACCESS_TOKEN, ...parameters }
  const answer = await oauth.genericTokenEndpointRequest(as, client, authentication, EXCHANGE, form, http)
  return oauth.processGenericTokenEndpointResponse(as, client, answer)
}

async function walk(as, authentication, scope) {
  const token = await ask(as, authentication, scope ? { scope } : {})
  assert.equal(token.token_type, 'bearer')
  assert.equal(token.scope, scope || `tsg_id:${tsgId}`)
  const claims = await validate(as, token.access_token, url)
  assert.equal(claims.client_id, clientId)
  assert.equal(claims.sub, clientId)
  assert.equal(claims.tsg_id, tsgId)
  const caller = await (await call(token.access_token, 'GET', '/v1/whoami')).json()
  for (const member of ['client_id', 'tsg_id', 'credential_id', 'roles', 'scope']) {
    assert.deepEqual(caller[member], claims[member], member)
  }
  return token.access_token
}

const as = await discover('oauth2')
const openid = await discover('oidc')

for (const server of [as, openid]) {
  for (const method of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    await walk(server, method(secret), '')
    await walk(server, method(secret), `tsg_id:${tsgId} email`)
  }
}
await assert.rejects(ask(as, oauth.ClientSecretPost(wrong)), refused('invalid_client', 401))
await assert.rejects(ask(as, oauth.ClientSecretBasic(wrong)), challenged('basic', undefined))
await assert.rejects(ask(as, oauth.ClientSecretPost(secret), { scope: 'admin' }), refused('invalid_scope', 400))
await assert.rejects(ask(as, oauth.ClientSecretPost(secret), { resource: 'urn:nobody' }), refused('invalid_target', 400))

// A key of its own; oauth4webapi takes the issuer for the audience of its assertions.
const management = await walk(as, basic, '')
const account = (await (await call(management, 'GET', '/v1/whoami')).json()).service_account_id
const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
const jwk = { ...(await crypto.subtle.exportKey('jwk', pair.publicKey)), kid: 'oauth4webapi', key_ops: ['verify'] }
const put = await call(management, 'PUT', `/v1/tenants/${tsgId}/service-accounts/${account}/jwks`, { keys: [jwk] })
assert.equal(put.status, 200)
const byKey = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'oauth4webapi' })
await walk(as, byKey, '')
await walk(as, byKey, `tsg_id:${tsgId}`)
const stranger = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
await assert.rejects(ask(as, oauth.PrivateKeyJwt({ key: stranger.privateKey, kid: 'oauth4webapi' })), refused('invalid_client', 401))

// Token exchange: a narrower token of its own, and one by another credential of its own, which is named.
const wide = await walk(as, basic, 'openid email')
const narrow = await exchange(as, basic, wide, { scope: 'email', requested_token_type: ACCESS_TOKEN })
assert.equal(narrow.issued_token_type, ACCESS_TOKEN)
assert.equal(narrow.scope, 'email')
const before = await validate(as, wide, url)
const after = await validate(as, narrow.access_token, url)
assert.equal(after.exp, before.exp)
assert.equal(after.act, undefined)
const acted = await validate(as, (await exchange(as, byKey, wide)).access_token, url)
assert.equal(acted.sub, clientId)
assert.equal(acted.act.sub, clientId)
assert.match(acted.act.credential_id, /^jkt:/)
await assert.rejects(exchange(as, basic, narrow.access_token, { scope: 'openid email' }), refused('invalid_scope', 400))
await assert.rejects(exchange(as, basic, wide, { audience: 'urn:nobody' }), refused('invalid_target', 400))
await assert.rejects(exchange(as, basic, 'e30.e30.c2ln'), refused('invalid_request', 400))

// What is not for this audience, or not ours, is no token by its own reading either.
await assert.rejects(validate(as, wide, 'https://other.example'))
await assert.rejects(validate(as, `${wide.slice(0, -8)}AAAAAAAA`, url))

await beTold(as, byKey)
await bindTokens(as)
await findTheIssuer()
if (process.env.CARNET_CLIENT_CERTIFICATE_FILE) await proveByCertificate(as, management)
