// An account that proves itself by a certificate (RFC 8705), which undici shows: the `fetch` of Node.js has no way to.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import { Agent, fetch } from 'undici'
import { ask, call, challenged, introspect, refused, revoke, tsgId } from './server.mjs'

const { CARNET_CA_FILE: authorityFile, CARNET_CLIENT_CERTIFICATE_FILE: ownFile } = process.env

// A `fetch` over connections that show this certificate, if there is one.
function showing(own) {
  const dispatcher = new Agent({ connect: { ca: readFileSync(authorityFile), cert: own, key: own } })
  return { [oauth.customFetch]: (address, init) => fetch(address, { ...init, dispatcher }) }
}

// `management` is a token of somebody who may make accounts.
export async function proveByCertificate(as, management) {
  const accounts = `/v1/tenants/${tsgId}/service-accounts`
  const account = await (await call(management, 'POST', accounts, { name: `oauth4webapi ${Date.now()}` })).json()
  const name = { tls_client_auth_subject_dn: 'CN=demo' }
  assert.equal((await call(management, 'PUT', `${accounts}/${account.id}/certificates`, name)).status, 200)

  const [who, byName, holder, bare] = [{ client_id: account.client_id }, oauth.TlsClientAuth(), showing(readFileSync(ownFile)), showing()]
  const { access_token: token } = await ask(as, byName, {}, holder, who)
  await assert.rejects(ask(as, byName, {}, bare, who), refused('invalid_client', 401))
  assert.equal((await call(token, 'GET', '/v1/whoami', undefined, holder)).status, 200)
  await assert.rejects(call(token, 'GET', '/v1/whoami', undefined, bare), challenged('bearer', 'invalid_token'))
  for (const about of [introspect, revoke]) {
    await assert.rejects(about(as, byName, token, who, bare), refused('invalid_client', 401))
  }

  const { told } = await introspect(as, byName, token, who, holder)
  assert.match(told.cnf['x5t#S256'], /^[\w-]{43}$/)
  await revoke(as, byName, token, who, holder)
  assert.deepEqual((await introspect(as, byName, token, who, holder)).told, { active: false })
  assert.equal((await call(management, 'DELETE', `${accounts}/${account.id}`)).status, 200)
}
