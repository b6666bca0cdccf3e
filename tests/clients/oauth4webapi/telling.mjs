// What oauth4webapi is told of a token, plainly (RFC 7662) and signed (RFC 9701), and how it takes one back (RFC 7009).

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { ask, basic, call, challenged, client, http, introspect, refused, revoke, secret, url, validate, wrong } from './server.mjs'

const signing = { ...client, introspection_signed_response_alg: 'RS256' }
const inactive = { active: false }

async function walk(as, authentication, who) {
  const { access_token: token } = await ask(as, authentication)
  const { access_token: other } = await ask(as, authentication)
  const told = async (text) => (await introspect(as, authentication, text, who)).told
  const expected = { ...(await validate(as, token, url)), active: true, token_type: 'Bearer' }
  assert.deepEqual(await told(token), expected)
  for (const nothing of [`${token.slice(0, -8)}AAAAAAAA`, 'no token at all']) {
    assert.deepEqual(await told(nothing), inactive)
    await revoke(as, authentication, nothing)
  }
  assert.deepEqual(await told(token), expected)

  for (let n = 0; n < 2; n++) await revoke(as, authentication, token)
  assert.deepEqual(await told(token), inactive)
  assert.equal((await told(other)).active, true)
  await assert.rejects(call(token, 'GET', '/v1/whoami'), challenged('bearer', 'invalid_token'))
  await validate(as, token, url) // Who asks nobody cannot know.
}

// A signed answer is what it is by its signature, its kind, and whom it is for.
async function beSigned(as) {
  const { access_token: token } = await ask(as, basic)
  const { answer } = await introspect(as, basic, token, signing)
  assert.equal(answer.headers.get('content-type'), 'application/token-introspection+jwt')
  await oauth.validateApplicationLevelSignature(as, answer, http)

  const changing = (change) => ({
    [oauth.customFetch]: async (...request) => {
      const answer = await fetch(...request)
      return new Response(change(await answer.text()), answer)
    },
  })
  const resigned = await introspect(as, basic, token, signing, changing((text) => `${text.slice(0, -8)}AAAAAAAA`))
  await assert.rejects(oauth.validateApplicationLevelSignature(as, resigned.answer, http), /signature verification failed/)
  await assert.rejects(introspect(as, basic, token, signing, changing(() => token)), /"typ"/)
  const answerForUs = await oauth.introspectionRequest(as, signing, basic, token, http)
  await assert.rejects(oauth.processIntrospectionResponse(as, { ...signing, client_id: 'somebody else' }, answerForUs), /"aud"/)
}

// `byKey` is another proof of the same client.
export async function beTold(as, byKey) {
  for (const authentication of [basic, oauth.ClientSecretPost(secret), byKey]) {
    for (const who of [client, signing]) await walk(as, authentication, who)
  }
  await beSigned(as)

  const { access_token: token } = await ask(as, basic)
  for (const about of [introspect, revoke]) {
    await assert.rejects(about(as, oauth.ClientSecretPost(wrong), token), refused('invalid_client', 401))
    await assert.rejects(about(as, oauth.ClientSecretBasic(wrong), token), challenged('basic', undefined))
  }
  assert.equal((await introspect(as, basic, token)).told.active, true)
}
