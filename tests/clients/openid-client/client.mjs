// openid-client as a client, jose as a verifier: discover, get tokens, verify them, be recognised, be told of them, take them back.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as client from 'openid-client'
import { proveByCertificate } from './certificate.mjs'
import { challenged, clientId, discover, manager, refused, secret, tsgId, url, verify, whoami, wrong } from './server.mjs'
import { beTold } from './telling.mjs'

async function walk(config, scope, audience) {
  const metadata = config.serverMetadata()
  assert.equal(metadata.issuer, url)
  const token = await client.clientCredentialsGrant(config, scope ? { scope } : {})
  assert.equal(token.scope, scope || `tsg_id:${tsgId}`)
  assert.equal(token.id_token, undefined)
  const claims = await verify(token, metadata)
  assert.deepEqual(claims.aud, audience)

  const answer = await whoami(config, token.access_token)
  assert.equal(answer.status, 200)
  const caller = await answer.json()
  for (const member of ['client_id', 'tsg_id', 'credential_id', 'roles', 'scope']) {
    assert.deepEqual(caller[member], claims[member], member)
  }
  assert.equal(caller.audience, metadata.issuer)
  assert.equal(caller.product, null)
  assert.equal(caller.api_key_id, null)
}

for (const algorithm of ['oauth2', 'oidc']) {
  for (const method of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const config = await discover(algorithm, method(secret))
    await walk(config, '', url)
    await walk(config, `tsg_id:${tsgId}`, [url, clientId])
  }

  // Without the Authorization header the answer is the error itself; with it, the challenge comes first (RFC 6749 §5.2).
  const posted = await discover(algorithm, client.ClientSecretPost(wrong))
  await assert.rejects(client.clientCredentialsGrant(posted), refused('invalid_client'))
  const basic = await discover(algorithm, client.ClientSecretBasic(wrong))
  await assert.rejects(client.clientCredentialsGrant(basic), challenged('basic', undefined))
}

// Keys of its own, of each kind. openid-client takes the issuer for the audience and one minute for the lifetime, as they should be, and
// calls Ed25519 by the name of RFC 9864.
const rsa = (name, hash) => ({ name, hash, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) })
const kinds = {
  RS256: rsa('RSASSA-PKCS1-v1_5', 'SHA-256'),
  RS512: rsa('RSASSA-PKCS1-v1_5', 'SHA-512'),
  PS256: rsa('RSA-PSS', 'SHA-256'),
  PS384: rsa('RSA-PSS', 'SHA-384'),
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  Ed25519: { name: 'Ed25519' },
}
const pairs = {}
for (const [alg, kind] of Object.entries(kinds)) {
  pairs[alg] = await crypto.subtle.generateKey(kind, true, ['sign', 'verify'])
}

const keys = []
for (const [alg, pair] of Object.entries(pairs)) {
  keys.push({ ...(await jose.exportJWK(pair.publicKey)), alg, kid: `key for ${alg}` })
}
const { account, ask } = await manager()
await ask('PUT', `/${account}/jwks`, { keys })

for (const [alg, { privateKey: key }] of Object.entries(pairs)) {
  let replay
  const modify = (_, payload) => {
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
  replay = `${alg} ${Date.now()}`
  await walk(config, '', url)
  await assert.rejects(client.clientCredentialsGrant(config), refused('invalid_client'))
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
  for (let n = 0; n < 2; n++) assert.equal((await whoami(config, token.access_token, { DPoP })).status, 200)
  await assert.rejects(whoami(config, token.access_token), challenged('bearer', 'invalid_token'))
  const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))
  await assert.rejects(whoami(config, token.access_token, { DPoP: stranger }), challenged('dpop', 'invalid_dpop_proof'))
}

await beTold(() => client.PrivateKeyJwt({ key: pairs.ES256.privateKey, kid: 'key for ES256' }))
if (process.env.CARNET_CLIENT_CERTIFICATE_FILE) await proveByCertificate()

// A token that is not ours is refused with a challenge that openid-client can read (RFC 6750 §3).
const config = await discover('oauth2', client.ClientSecretBasic(secret))
await assert.rejects(whoami(config, 'e30.e30.c2ln'), challenged('bearer', 'invalid_token'))
