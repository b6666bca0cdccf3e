// What openid-client is told of a token, plainly (RFC 7662) and signed (RFC 9701), and how it takes one back (RFC 7009).

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { challenged, discover, refused, secret, url, verify, whoami, wrong } from './server.mjs'

const hint = { token_type_hint: 'access_token' }
const inactive = { active: false }

async function walk(authentication, metadata) {
  const config = await discover('oauth2', authentication, metadata)
  const token = await client.clientCredentialsGrant(config)
  const other = await client.clientCredentialsGrant(config)
  const claims = await verify(token, config.serverMetadata())
  const introspect = (text) => client.tokenIntrospection(config, text, hint)
  assert.deepEqual(await introspect(token.access_token), { ...claims, active: true, token_type: 'Bearer' })
  for (const nothing of [`${token.access_token.slice(0, -8)}AAAAAAAA`, 'no token at all']) {
    assert.deepEqual(await introspect(nothing), inactive)
    await client.tokenRevocation(config, nothing, hint)
  }
  assert.equal((await introspect(token.access_token)).active, true)

  for (let n = 0; n < 2; n++) await client.tokenRevocation(config, token.access_token, hint)
  assert.deepEqual(await introspect(token.access_token), inactive)
  assert.equal((await introspect(other.access_token)).active, true)
  await assert.rejects(whoami(config, token.access_token), challenged('bearer', 'invalid_token'))
}

// Somebody with a wrong proof is told nothing, and takes nothing back.
async function beRefused(authentication, why) {
  const right = await discover('oauth2', client.ClientSecretBasic(secret))
  const { access_token: token } = await client.clientCredentialsGrant(right)
  const config = await discover('oauth2', authentication)
  await assert.rejects(client.tokenIntrospection(config, token), why)
  await assert.rejects(client.tokenRevocation(config, token), why)
  assert.equal((await client.tokenIntrospection(right, token)).active, true)
}

// An answer that somebody on the way has put another signature to. openid-client looks at signatures only when told to, for it trusts TLS.
async function beSigned(signed) {
  const config = await discover('oauth2', client.ClientSecretBasic(secret), signed)
  client.enableNonRepudiationChecks(config)
  const { access_token: token } = await client.clientCredentialsGrant(config)
  let type
  let change = (text) => text
  config[client.customFetch] = async (address, init) => {
    const answer = await fetch(address, init)
    if (address !== config.serverMetadata().introspection_endpoint) return answer
    type = answer.headers.get('content-type')
    return new Response(change(await answer.text()), answer)
  }
  assert.equal((await client.tokenIntrospection(config, token)).active, true)
  assert.equal(type, 'application/token-introspection+jwt')
  const invalid = (why) => (error) => error.code === 'OAUTH_INVALID_RESPONSE' && why.test(error.cause.message)
  change = (text) => `${text.slice(0, -8)}AAAAAAAA`
  await assert.rejects(client.tokenIntrospection(config, token), invalid(/signature/))
  change = () => token
  await assert.rejects(client.tokenIntrospection(config, token), invalid(/"typ"/))
}

// `byKey` makes the authentication by a key.
export async function beTold(byKey) {
  const signed = { introspection_signed_response_alg: 'RS256' }
  for (const method of [() => client.ClientSecretBasic(secret), () => client.ClientSecretPost(secret), byKey]) {
    for (const metadata of [undefined, signed]) await walk(method(), metadata)
  }
  await beRefused(client.ClientSecretPost(wrong), refused('invalid_client'))
  await beRefused(client.ClientSecretBasic(wrong), challenged('basic', undefined))
  await beSigned(signed)

  // What a token is bound to is told, too.
  const config = await discover('oauth2', client.ClientSecretBasic(secret))
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
  const { access_token: bound } = await client.clientCredentialsGrant(config, {}, { DPoP })
  const { token_type: type, cnf } = await client.tokenIntrospection(config, bound)
  assert.deepEqual([type, cnf], ['DPoP', { jkt: await DPoP.calculateThumbprint() }])
  assert.equal(config.serverMetadata().issuer, url)
}
