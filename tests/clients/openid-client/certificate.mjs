// An account that proves itself by a certificate (RFC 8705). openid-client sends the name of the client, the connection the rest: undici,
// for the `fetch` of Node.js has no way to show one.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as client from 'openid-client'
import { Agent, fetch } from 'undici'
import { challenged, discover, manager, refused, verify, whoami } from './server.mjs'

const { CARNET_CA_FILE: authorityFile, CARNET_CLIENT_CERTIFICATE_FILE: ownFile } = process.env

// A `fetch` over connections that show this certificate, if there is one.
function fetchShowing(own) {
  const dispatcher = new Agent({ connect: { ca: readFileSync(authorityFile), cert: own, key: own } })
  return (address, init) => fetch(address, { ...init, dispatcher })
}

const at = (id, own) => discover('oauth2', client.TlsClientAuth(), undefined, id, { [client.customFetch]: fetchShowing(own) })

async function walk(id, own, credential) {
  const holder = await at(id, own)
  const bare = await at(id)
  const token = await client.clientCredentialsGrant(holder)
  const claims = await verify(token, holder.serverMetadata(), id)
  const thumbprint = Buffer.from(new X509Certificate(own).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
  assert.deepEqual(claims.cnf, { 'x5t#S256': thumbprint })
  assert.match(claims.credential_id, credential)

  assert.equal((await (await whoami(holder, token.access_token)).json()).client_id, id)
  await assert.rejects(whoami(bare, token.access_token), challenged('bearer', 'invalid_token'))
  await assert.rejects(client.clientCredentialsGrant(bare), refused('invalid_client'))
  await assert.rejects(client.tokenIntrospection(bare, token.access_token), refused('invalid_client'))
  await assert.rejects(client.tokenRevocation(bare, token.access_token), refused('invalid_client'))

  assert.deepEqual((await client.tokenIntrospection(holder, token.access_token)).cnf, claims.cnf)
  await client.tokenRevocation(holder, token.access_token)
  assert.deepEqual(await client.tokenIntrospection(holder, token.access_token), { active: false })
  await assert.rejects(whoami(holder, token.access_token), challenged('bearer', 'invalid_token'))
}

export async function proveByCertificate() {
  const own = readFileSync(ownFile, 'utf8')
  const { ask } = await manager()
  const account = await ask('POST', '', { name: `openid-client ${Date.now()}` }, 201)
  const put = (certificates) => ask('PUT', `/${account.id}/certificates`, certificates)

  const metadata = (await at(account.client_id, own)).serverMetadata()
  assert.equal(metadata.tls_client_certificate_bound_access_tokens, true)
  for (const method of ['tls_client_auth', 'self_signed_tls_client_auth']) {
    assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method))
  }
  await put({ tls_client_auth_subject_dn: 'CN=demo' })
  await walk(account.client_id, own, /^x5n:/)
  await put({ certificates: [own.slice(0, own.indexOf('-----BEGIN PRIVATE KEY-----'))] })
  await walk(account.client_id, own, /^x5t:/)
  await put({ tls_client_auth_subject_dn: 'CN=somebody else' })
  await assert.rejects(client.clientCredentialsGrant(await at(account.client_id, own)), refused('invalid_client'))
  await ask('DELETE', `/${account.id}`)
}
