// jose as a verifier of signed answers about tokens (RFC 9701).

import assert from 'node:assert/strict'
import * as jose from 'jose'

const SIGNED = 'application/token-introspection+jwt'

// `client` is an id and a secret, `token` one of its tokens; it is taken back.
export async function introspect(metadata, keys, client, token) {
  assert.deepEqual(metadata.introspection_signing_alg_values_supported, ['RS256'])
  const ask = async (endpoint, token) => {
    const body = new URLSearchParams({ token, token_type_hint: 'access_token', client_id: client.id, client_secret: client.secret })
    const answer = await fetch(metadata[`${endpoint}_endpoint`], { method: 'POST', headers: { accept: SIGNED }, body, signal: AbortSignal.timeout(10_000) })
    assert.equal(answer.status, 200)
    return answer
  }
  const told = async (token) => {
    const answer = await ask('introspection', token)
    assert.equal(answer.headers.get('content-type'), SIGNED)
    return answer.text()
  }
  const rules = {
    algorithms: ['RS256'],
    typ: 'token-introspection+jwt',
    issuer: metadata.issuer,
    audience: client.id,
    maxTokenAge: '10s',
    requiredClaims: ['token_introspection'],
  }
  const read = async (answer) => (await jose.jwtVerify(answer, keys, rules)).payload

  const signed = await told(token)
  const said = await read(signed)
  assert.deepEqual(said.token_introspection, { ...jose.decodeJwt(token), active: true, token_type: 'Bearer' })
  assert.ok(!('sub' in said || 'exp' in said), 'it could be taken for an access token')

  // The controls: what was changed, what is for others, and what is no answer at all.
  const invalid = (code, claim) => (error) => error.code === code && error.claim === claim
  const [header, , signature] = signed.split('.')
  const changed = jose.base64url.encode(JSON.stringify({ ...said, token_introspection: { active: false } }))
  await assert.rejects(read(`${header}.${changed}.${signature}`), invalid('ERR_JWS_SIGNATURE_VERIFICATION_FAILED'))
  await assert.rejects(jose.jwtVerify(signed, keys, { ...rules, audience: 'somebody else' }), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED', 'aud'))
  await assert.rejects(jose.jwtVerify(signed, keys, { ...rules, issuer: 'https://other.example' }), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED', 'iss'))
  await assert.rejects(read(token), invalid('ERR_JWT_CLAIM_VALIDATION_FAILED', 'typ'))

  const inactive = { active: false }
  assert.deepEqual((await read(await told(`${token.slice(0, -8)}AAAAAAAA`))).token_introspection, inactive)
  assert.equal(await (await ask('revocation', token)).text(), '')
  assert.deepEqual((await read(await told(token))).token_introspection, inactive)
}
