// Tokens that are bound to a key (DPoP, RFC 9449), with oauth4webapi on both sides: as the client, and as a resource server that
// validates them (RFC 9068, RFC 9449 §7).

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { ask, basic, call, challenged, client, http, introspect, url } from './server.mjs'

// Comes again when a nonce is asked for (RFC 9449 §8, §9); the handle has kept it.
async function withNonce(request) {
  try {
    return await request()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return request()
  }
}

// A handle with a key of its own.
const handle = async (alg) => oauth.DPoP(client, await oauth.generateKeyPair(alg))

// A resource server that takes bound tokens only, and has the audience of the management API. Its answer is what the token says.
const resource = (as) => async (address, init) => {
  try {
    return Response.json(await oauth.validateJwtAccessToken(as, new Request(address, init), url, { ...http, requireDPoP: true }))
  } catch (error) {
    return new Response(error.message, { status: 401 })
  }
}

const at = new URL('https://resource.example/things?some=1')

async function beValidated(as, token, DPoP, stranger) {
  const send = (token, options) => oauth.protectedResourceRequest(token, 'GET', at, new Headers(), null, options)
  const answer = await send(token, { DPoP, [oauth.customFetch]: resource(as) })
  assert.equal(answer.status, 200)
  assert.equal((await answer.json()).cnf.jkt, await DPoP.calculateThumbprint())

  // The controls: no proof, that of somebody else, one for another place, and one for a token that is bound to nothing.
  const refuse = async (token, why, options, change = (address, init) => [address, init]) => {
    const fetch = (...request) => resource(as)(...change(...request))
    const answer = await send(token, { ...options, [oauth.customFetch]: fetch })
    assert.equal(answer.status, 401)
    assert.match(await answer.text(), why)
  }
  await refuse(token, /no DPoP HTTP Header/, {})
  await refuse(token, /confirmation mismatch/, { DPoP: stranger })
  await refuse(token, /htu mismatch/, { DPoP }, (_, init) => ['https://resource.example/others', init])
  await refuse(token, /htm mismatch/, { DPoP }, (address, init) => [address, { ...init, method: 'DELETE' }])
  const { access_token: other } = await withNonce(() => ask(as, basic, {}, { DPoP }))
  await refuse(token, /ath mismatch/, { DPoP }, (address, init) => [address, { ...init, headers: { ...init.headers, authorization: `DPoP ${other}` } }])
  const { access_token: free } = await ask(as, basic)
  await refuse(free, /"cnf"/, { DPoP })
}

export async function bindTokens(as) {
  // oauth4webapi calls Ed25519 by the name of RFC 9864 alone.
  for (const alg of as.dpop_signing_alg_values_supported.filter((alg) => alg !== 'EdDSA')) {
    const [DPoP, stranger] = [await handle(alg), await handle(alg)]
    const { access_token: token, token_type: type } = await withNonce(() => ask(as, basic, {}, { DPoP }))
    assert.equal(type, 'dpop')
    await beValidated(as, token, DPoP, stranger)

    const whoami = (options) => withNonce(() => call(token, 'GET', '/v1/whoami', undefined, options))
    for (let n = 0; n < 2; n++) assert.equal((await whoami({ DPoP })).status, 200)
    await assert.rejects(whoami({}), challenged('bearer', 'invalid_token'))
    await assert.rejects(whoami({ DPoP: stranger }), challenged('dpop', 'invalid_dpop_proof'))

    const { told } = await introspect(as, basic, token)
    assert.deepEqual([told.active, told.token_type, told.cnf], [true, 'DPoP', { jkt: await DPoP.calculateThumbprint() }])
  }
}
