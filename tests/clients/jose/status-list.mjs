// jose as a verifier that works offline and learns of a lost secret by the status list (draft-ietf-oauth-status-list §8.3).

import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { inflateSync } from 'node:zlib'
import * as jose from 'jose'

const MEDIA_TYPE = 'application/statuslist+jwt'

// The list as it is sent, and what it says (§5.1).
async function fetchList(uri, keys, rules) {
  const answer = await fetch(uri, { headers: { accept: MEDIA_TYPE }, redirect: 'error', signal: AbortSignal.timeout(10_000) })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), MEDIA_TYPE)
  const signed = await answer.text()
  const { payload } = await jose.jwtVerify(signed, keys, rules)
  assert.equal(payload.status_list.bits, 1)
  return { signed, ttl: payload.ttl, bits: inflateSync(jose.base64url.decode(payload.status_list.lst)) }
}

// The first bit is the least significant one of the first byte (§4.1).
const isSet = (bits, idx) => Boolean((bits[idx >> 3] >> (idx & 7)) & 1)

// `manage` makes and deletes an account of its own; `ask` gets a token, `verify` reads one offline, and `mine` is that of somebody else.
export async function followStatus(metadata, keys, { manage, ask, verify, mine }) {
  const account = await manage('POST', '', { name: `jose ${Date.now()}` }, 201)
  while ((await manage('GET', `/${account.id}`)).secrets[0].status === 'pending') await setTimeout(100)
  const form = { client_id: account.client_id, client_secret: account.client_secret }
  const { access_token: token } = await ask(form)
  const { uri, idx } = (await verify(token, account.client_id)).status.status_list
  const other = (await verify(mine)).status.status_list
  assert.notDeepEqual({ uri, idx }, other, 'two accounts share a bit')

  const aggregation = await fetch(metadata.status_list_aggregation_endpoint, { signal: AbortSignal.timeout(10_000) })
  assert.ok((await aggregation.json()).status_lists.includes(uri))
  const rules = (subject) => ({ algorithms: ['RS256'], typ: 'statuslist+jwt', issuer: metadata.issuer, subject, requiredClaims: ['iat', 'exp', 'ttl', 'status_list'] })
  const list = (uri) => fetchList(uri, keys, rules(uri))
  const { signed, ttl, bits } = await list(uri)
  assert.equal(isSet(bits, idx), false)
  assert.equal(isSet((await list(other.uri)).bits, other.idx), false)

  // The controls: what was changed, what is another list, and what is none.
  const invalid = (code, claim) => (error) => error.code === code && error.claim === claim
  const [header, payload, signature] = signed.split('.')
  const changed = jose.base64url.encode(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(jose.base64url.decode(payload))), ttl: 1e9 }))
  await assert.rejects(jose.jwtVerify(`${header}.${changed}.${signature}`, keys, rules(uri)), invalid('ERR_JWS_SIGNATURE_VERIFICATION_FAILED'))
  await assert.rejects(jose.jwtVerify(signed, keys, rules(`${uri}0`)), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED', 'sub'))
  await assert.rejects(jose.jwtVerify(token, keys, rules(uri)), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED', 'typ'))

  await manage('DELETE', `/${account.id}/secrets/${account.secrets[0].credential_id}`)
  await verify(token, account.client_id) // The keys alone do not tell.
  const deadline = Date.now() + ttl * 1000
  while (!isSet((await list(uri)).bits, idx)) {
    assert.ok(Date.now() < deadline, `the bit is not set after ${ttl} s`)
    await setTimeout(500)
  }
  assert.equal(isSet((await list(other.uri)).bits, other.idx), false, 'a bit is set of somebody whose secret is good')
  await manage('DELETE', `/${account.id}`)
}
