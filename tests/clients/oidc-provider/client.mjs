// A thousand made-up requests to Carnet and to oidc-provider: where they answer differently, there is a reason in reasons.mjs, or this
// fails. It fails for a reason that nothing needs any more, too. What differs is printed as a table.
//
//   SEED, REQUESTS   another thousand, or more of them

import assert from 'node:assert/strict'
import { generateKeyPair, exportJWK } from 'jose'
import { startProvider } from './provider.mjs'
import { REASONS } from './reasons.mjs'
import { proof, requests } from './requests.mjs'

const { CARNET_URL: url, CARNET_TSG_ID: tsgId, CARNET_CLIENT_ID: adminId, CARNET_CLIENT_SECRET: adminSecret } = process.env
const seed = Number(process.env.SEED ?? 20_749)
const number = Number(process.env.REQUESTS ?? 1_000)
const TIMEOUT = 10_000
// How many are asked of both at once.
const AT_ONCE = 8

const form = (values) => ({ method: 'POST', body: new URLSearchParams(values) })
const basic = ({ id, secret }) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` })

// Asks, and expects an answer of 2xx.
async function ask(address, request) {
  const answer = await fetch(address, { ...request, signal: AbortSignal.timeout(TIMEOUT) })
  assert.ok(answer.ok, `${address}: ${answer.status} ${await answer.clone().text()}`)
  return answer
}

// The accounts that ask, made at Carnet by its administrator: one with a secret, one with a key, and another one with both.
async function makeClients() {
  const answer = await ask(`${url}/oauth2/token`, { ...form({ grant_type: 'client_credentials' }), headers: basic({ id: adminId, secret: adminSecret }) })
  const { access_token: token } = await answer.json()
  const manage = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'if-match': '*' }
    return (await ask(`${url}/v1/tenants/${tsgId}/${path}`, { method, headers, body: JSON.stringify(body) })).json()
  }
  const make = async (name) => {
    const made = await manage('POST', 'service-accounts', { name: `${name} ${Date.now()}` })
    const { publicKey, privateKey: key } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: name }
    return { account: made.service_account_id ?? made.id, id: made.client_id, secret: made.client_secret, key, jwk }
  }
  const [secret, keyed, other] = [await make('by secret'), await make('by key'), await make('another')]
  await manage('PUT', `service-accounts/${keyed.account}/jwks`, { keys: [keyed.jwk] })
  for (const client of [secret, keyed, other]) await becomesValid(client)
  return { secret, keyed: { ...keyed, byKey: true }, other }
}

// A secret is pending until every region has it.
async function becomesValid(client) {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await fetch(`${url}/oauth2/token`, { ...form({ grant_type: 'client_credentials' }), headers: basic(client) })
    if (answer.ok) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${client.id} does not become valid`)
}

// A server as requests.mjs needs it: where it is, and tokens of its own.
async function describe(issuer) {
  const metadata = await (await ask(`${issuer}/.well-known/openid-configuration`)).json()
  const server = {
    issuer: metadata.issuer,
    token: metadata.token_endpoint,
    introspection: metadata.introspection_endpoint,
    revocation: metadata.revocation_endpoint,
    fresh: async (client) => {
      const { header, form: identity } = await proof(client, server)
      const answer = await ask(server.token, { ...form([['grant_type', 'client_credentials'], ...identity]), headers: header })
      return (await answer.json()).access_token
    },
    revoked: async (client) => {
      const token = await server.fresh(client)
      const { header, form: identity } = await proof(client, server)
      await ask(server.revocation, { ...form([['token', token], ...identity]), headers: header })
      return token
    },
  }
  return server
}

// What counts of an answer.
async function outcome(server, { endpoint, tags, build }, clients) {
  const { query, ...request } = await build(clients, server)
  const address = server[endpoint] + (query ? `?${query}` : '')
  const answer = await fetch(address, { ...request, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT) })
  const text = await answer.text()
  let body = {}
  try { body = JSON.parse(text) } catch { /* empty, or a page */ }
  return {
    status: answer.status,
    error: body.error,
    challenge: answer.headers.get('www-authenticate')?.split(' ')[0].toLowerCase(),
    'cache-control': answer.headers.get('cache-control')?.includes('no-store') ? 'no-store' : undefined,
    token_type: body.token_type?.toLowerCase(),
    scope: tags.has('a habitual scope') || tags.has('an unknown scope') ? body.scope : undefined,
    active: body.active,
  }
}

// The fields in which two answers differ, each as "field: here / there".
function differences(here, there) {
  return Object.keys(here).filter((name) => here[name] !== there[name]).map((name) => ({ name, here: here[name], there: there[name] }))
}

const clients = await makeClients()
const provider = await startProvider([clients.secret, { id: clients.keyed.id, jwk: clients.keyed.jwk }, clients.other])
const [carnet, other] = [await describe(url), await describe(provider.issuer)]
const endpoints = ['token', 'introspection', 'revocation'].filter((endpoint) => carnet[endpoint])
const found = new Map(REASONS.map((reason) => [reason, { times: 0 }]))
const unexplained = []
let same = 0

// Counts for which reason these fields differ, if there is one.
function explain(request, differ, here, there) {
  const reason = REASONS.find(({ field, when }) => differ.some(({ name }) => (field ?? name) === name) && when(request.tags, here, there))
  if (!reason) return differ
  const seen = found.get(reason)
  const mine = differ.filter(({ name }) => (reason.field ?? name) === name)
  seen.times += 1
  seen.example ??= mine.map(({ name, here: ours, there: theirs }) => `${name} ${ours ?? '–'} / ${theirs ?? '–'}`).join(', ')
  return differ.filter((one) => !mine.includes(one))
}

async function compare(request) {
  const [here, there] = await Promise.all([carnet, other].map((server) => outcome(server, request, clients)))
  let differ = differences(here, there)
  if (differ.length === 0) same += 1
  for (let before = []; differ.length > 0 && differ.length !== before.length;) {
    before = differ
    differ = explain(request, differ, here, there)
  }
  if (differ.length > 0) unexplained.push({ request: `${request.number}: ${[...request.tags].join(', ')}`, here, there })
}

const all = requests(seed, number, endpoints)
await Promise.all(Array.from({ length: AT_ONCE }, async () => { for (const request of all) await compare(request) }))
provider.stop()

console.log(`${number} requests of seed ${seed} to ${endpoints.join(', ')}: ${same} answered alike\n`)
console.log('| times | where Carnet / oidc-provider differ | for example | why |\n|---|---|---|---|')
for (const [{ what, why }, { times, example }] of found) console.log(`| ${times} | ${what} | ${example} | ${why} |`)
for (const { request, here, there } of unexplained.slice(0, 20)) console.log(`\nno reason for ${request}\n  Carnet        ${JSON.stringify(here)}\n  oidc-provider ${JSON.stringify(there)}`)
assert.equal(unexplained.length, 0, `${unexplained.length} answers differ without a reason`)
const idle = [...found].filter(([, { times }]) => times === 0).map(([{ what }]) => what)
assert.deepEqual(process.env.SEED || process.env.REQUESTS ? [] : idle, [], 'reasons that nothing needs')
