// Requests to the token, introspection and revocation endpoints, made up from a seed: each is right but for what its tags name.

import { randomUUID } from 'node:crypto'
import { SignJWT, UnsecuredJWT } from 'jose'

// Numbers that look random and are the same for the same seed (mulberry32).
function numbers(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const basic = (id, secret) => `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
const wrong = (secret) => secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0')

// An assertion as it should be, but for what is said. Times in seconds from now.
async function assertion({ keyed, other }, issuer, { header = {}, key = keyed.key, ...claims } = {}) {
  const now = Math.floor(Date.now() / 1000)
  const said = { iss: keyed.id, sub: keyed.id, aud: issuer, jti: randomUUID(), exp: 60, iat: 0, ...claims }
  for (const time of ['exp', 'iat', 'nbf']) if (typeof said[time] === 'number') said[time] += now
  if (said.sub === 'other') said.sub = other.id
  for (const name of Object.keys(said)) if (said[name] === undefined) delete said[name]
  if (header.alg === 'none') return new UnsecuredJWT(said).encode()
  return new SignJWT(said).setProtectedHeader({ alg: 'ES256', ...header }).sign(key)
}

const presented = (make) => async (clients, server) => ({
  form: [['client_assertion_type', JWT_BEARER], ['client_assertion', await make(clients, server)]],
})

// How a client says who it is: { header, form }.
const AUTHENTICATION = {
  'basic': ({ secret: c }) => ({ header: basic(c.id, c.secret) }),
  'basic not encoded': ({ secret: c }) => ({ header: `Basic ${Buffer.from(`${c.id}:${c.secret}`).toString('base64')}` }),
  'basic in small letters': ({ secret: c }) => ({ header: basic(c.id, c.secret).replace('Basic', 'basic') }),
  'basic and its own id': ({ secret: c }) => ({ header: basic(c.id, c.secret), form: [['client_id', c.id]] }),
  'basic and another id': ({ secret: c }) => ({ header: basic(c.id, c.secret), form: [['client_id', 'another']] }),
  'basic with a wrong secret': ({ secret: c }) => ({ header: basic(c.id, wrong(c.secret)) }),
  'basic with no secret': ({ secret: c }) => ({ header: basic(c.id, '') }),
  'basic of nobody': ({ secret: c }) => ({ header: basic('nobody', c.secret) }),
  'basic without a colon': () => ({ header: `Basic ${Buffer.from('nocolon').toString('base64')}` }),
  'basic that is not base64': () => ({ header: 'Basic !!!!' }),
  'bearer': () => ({ header: 'Bearer e30.e30.c2ln' }),
  'post': ({ secret: c }) => ({ form: [['client_id', c.id], ['client_secret', c.secret]] }),
  'post with a wrong secret': ({ secret: c }) => ({ form: [['client_id', c.id], ['client_secret', wrong(c.secret)]] }),
  'post of nobody': ({ secret: c }) => ({ form: [['client_id', 'nobody'], ['client_secret', c.secret]] }),
  'post without an id': ({ secret: c }) => ({ form: [['client_secret', c.secret]] }),
  'post without a secret': ({ secret: c }) => ({ form: [['client_id', c.id]] }),
  'post with its secret twice': ({ secret: c }) => ({ form: [['client_id', c.id], ['client_secret', c.secret], ['client_secret', c.secret]] }),
  'basic and post': ({ secret: c }) => ({ header: basic(c.id, c.secret), form: [['client_id', c.id], ['client_secret', c.secret]] }),
  'none': () => ({}),
  'assertion': presented((clients, { issuer }) => assertion(clients, issuer)),
  'assertion for a list of the issuer': presented((clients, { issuer }) => assertion(clients, issuer, { aud: [issuer] })),
  'assertion for the token endpoint': presented((clients, { issuer, token }) => assertion(clients, issuer, { aud: token })),
  'assertion for another server': presented((clients, { issuer }) => assertion(clients, issuer, { aud: 'https://other.example' })),
  'assertion that has expired': presented((clients, { issuer }) => assertion(clients, issuer, { exp: -60, iat: -120 })),
  'assertion for an hour': presented((clients, { issuer }) => assertion(clients, issuer, { exp: 3600 })),
  'assertion without exp': presented((clients, { issuer }) => assertion(clients, issuer, { exp: undefined })),
  'assertion without jti': presented((clients, { issuer }) => assertion(clients, issuer, { jti: undefined })),
  'assertion without iat': presented((clients, { issuer }) => assertion(clients, issuer, { iat: undefined })),
  'assertion from the future': presented((clients, { issuer }) => assertion(clients, issuer, { nbf: 120 })),
  'assertion of another issuer': presented((clients, { issuer }) => assertion(clients, issuer, { iss: 'another' })),
  'assertion for another subject': presented((clients, { issuer }) => assertion(clients, issuer, { sub: 'other' })),
  'assertion with a wrong key': presented((clients, { issuer }) => assertion(clients, issuer, { key: clients.other.key })),
  'assertion without a signature': presented((clients, { issuer }) => assertion(clients, issuer, { header: { alg: 'none' } })),
  'assertion with crit': presented(async (clients, { issuer }) => {
    const [, claims, signature] = (await assertion(clients, issuer)).split('.')
    return `${Buffer.from('{"alg":"ES256","crit":["exp"],"exp":1}').toString('base64url')}.${claims}.${signature}`
  }),
  'assertion that is none': () => ({ form: [['client_assertion_type', JWT_BEARER], ['client_assertion', 'e30.e30']] }),
  'assertion of another type': async (clients, { issuer }) => ({
    form: [['client_assertion_type', 'urn:example:saml'], ['client_assertion', await assertion(clients, issuer)]],
  }),
  'assertion without a type': async (clients, { issuer }) => ({ form: [['client_assertion', await assertion(clients, issuer)]] }),
  'assertion and basic': async (clients, server) => ({
    header: basic(clients.secret.id, clients.secret.secret),
    ...(await AUTHENTICATION.assertion(clients, server)),
  }),
}
const RIGHT = ['basic', 'basic and its own id', 'post', 'assertion']

// The rest of a token request: a list of [name, value].
const GRANT = {
  'client_credentials': () => [['grant_type', 'client_credentials']],
  'no grant': () => [],
  'empty grant': () => [['grant_type', '']],
  'grant twice': () => [['grant_type', 'client_credentials'], ['grant_type', 'client_credentials']],
  'password': () => [['grant_type', 'password'], ['username', 'a'], ['password', 'b']],
  'authorization_code': () => [['grant_type', 'authorization_code'], ['code', 'abc'], ['redirect_uri', 'https://a.example']],
  'refresh_token': () => [['grant_type', 'refresh_token'], ['refresh_token', 'abc']],
  'implicit': () => [['grant_type', 'implicit']],
  'device code': () => [['grant_type', 'urn:ietf:params:oauth:grant-type:device_code'], ['device_code', 'abc']],
  'an unknown grant': () => [['grant_type', 'urn:example:unknown']],
  'a grant in capitals': () => [['grant_type', 'CLIENT_CREDENTIALS']],
}
const SCOPE = {
  'no scope': () => [],
  'empty scope': () => [['scope', '']],
  'a habitual scope': () => [['scope', 'openid']],
  'an unknown scope': () => [['scope', 'admin:everything']],
  'a malformed scope': () => [['scope', 'a"b']],
  'scope twice': () => [['scope', 'openid'], ['scope', 'email']],
}
const RESOURCE = {
  'no resource': () => [],
  'the issuer': (_, { issuer }) => [['resource', issuer]],
  'an unknown resource': () => [['resource', 'https://unknown.example/api']],
  'a relative resource': () => [['resource', '/api']],
  'a resource with a fragment': () => [['resource', 'https://unknown.example/api#part']],
  'two resources': (_, { issuer }) => [['resource', issuer], ['resource', 'https://unknown.example/api']],
}
const EXTRA = {
  'nothing else': () => [],
  'an unknown parameter': () => [['client_info', '1']],
  'an unknown parameter twice': () => [['client_info', '1'], ['client_info', '2']],
}

// The right proof of a client: { header, form }.
export async function proof(client, server) {
  const { header, form = [] } = await AUTHENTICATION[client.byKey ? 'assertion' : 'basic']({ secret: client, keyed: client }, server)
  return { header: header && { authorization: header }, form }
}

// What is asked about: a list of [name, value]. `fresh` gets a token of that server's for a client.
const TOKEN = {
  'its own token': async (clients, server) => [['token', await server.fresh(clients.asking)]],
  'its own revoked token': async (clients, server) => [['token', await server.revoked(clients.asking)]],
  'a token of another client': async (clients, server) => [['token', await server.fresh(clients.other)]],
  'no token': () => [],
  'an empty token': () => [['token', '']],
  'garbage': () => [['token', 'garbage']],
  'a token in pieces': () => [['token', 'e30.e30.c2ln']],
  'token twice': () => [['token', 'one'], ['token', 'two']],
}
const HINT = {
  'no hint': () => [],
  'access_token': () => [['token_type_hint', 'access_token']],
  'refresh_token as a hint': () => [['token_type_hint', 'refresh_token']],
  'an unknown hint': () => [['token_type_hint', 'saml']],
  'hint twice': () => [['token_type_hint', 'access_token'], ['token_type_hint', 'access_token']],
}

// How it is sent.
const TRANSPORT = {
  'POST a form': {},
  'POST a form in UTF-8': { type: 'application/x-www-form-urlencoded; charset=UTF-8' },
  'POST JSON': { type: 'application/json', body: (form) => JSON.stringify(Object.fromEntries(form)) },
  'POST without a type': { type: null },
  'POST nothing': { body: () => '' },
  'GET': { method: 'GET' },
  'PUT': { method: 'PUT' },
}

const PARTS = {
  token: { GRANT, SCOPE, RESOURCE, EXTRA },
  introspection: { TOKEN, HINT, EXTRA },
  revocation: { TOKEN, HINT, EXTRA },
}

// The first of a dimension is what is right; one in `odds` is another.
function pick(random, choices, odds) {
  const names = Object.keys(choices)
  return random() * odds < 1 ? names[Math.floor(random() * names.length)] : names[0]
}

// The n-th request of a seed: { endpoint, tags, build(clients, server) → { method, headers, body } }.
export function* requests(seed, number, endpoints) {
  const random = numbers(seed)
  for (let n = 0; n < number; n += 1) {
    const endpoint = endpoints[n % endpoints.length]
    const names = Object.keys(AUTHENTICATION)
    const right = random() < 0.5
    const authentication = right ? RIGHT[Math.floor(random() * RIGHT.length)] : names[Math.floor(random() * names.length)]
    const transport = pick(random, TRANSPORT, 12)
    const parts = Object.values(PARTS[endpoint]).map((choices) => [choices, pick(random, choices, right ? 2 : 5)])
    const tags = new Set([endpoint, authentication, transport, ...parts.map(([, name]) => name)])
    yield { number: n, endpoint, tags, build: (clients, server) => build({ authentication, transport, parts }, clients, server) }
  }
}

async function build({ authentication, transport, parts }, clients, server) {
  const asking = authentication.startsWith('assertion') ? clients.keyed : clients.secret
  const known = { ...clients, asking }
  const { header, form: identity = [] } = await AUTHENTICATION[authentication](known, server)
  const form = [...identity]
  for (const [choices, name] of parts) form.push(...(await choices[name](known, server)))
  const { method = 'POST', type = 'application/x-www-form-urlencoded', body } = TRANSPORT[transport]
  const headers = { ...(header && { authorization: header }), ...(type && method !== 'GET' && { 'content-type': type }) }
  const encoded = new URLSearchParams(form).toString()
  if (method === 'GET') return { method, headers, query: encoded }
  return { method, headers, body: Buffer.from(body ? body(form) : encoded) }
}
