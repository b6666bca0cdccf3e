// The server as oauth4webapi finds it, and what everybody asks of it.

import * as oauth from 'oauth4webapi'

export const { CARNET_URL: url, CARNET_TSG_ID: tsgId, CARNET_CLIENT_ID: clientId, CARNET_CLIENT_SECRET: secret } = process.env
export const client = { client_id: clientId }
export const http = { [oauth.allowInsecureRequests]: url.startsWith('http:'), signal: () => AbortSignal.timeout(10_000) }
export const basic = oauth.ClientSecretBasic(secret)
export const wrong = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0')

export async function discover(algorithm, issuer = new URL(url)) {
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...http })
  return oauth.processDiscoveryResponse(issuer, answer)
}

export async function ask(as, authentication, parameters = {}, options = {}, who = client) {
  const answer = await oauth.clientCredentialsGrantRequest(as, who, authentication, parameters, { ...http, ...options })
  return oauth.processClientCredentialsResponse(as, who, answer)
}

// `who` may ask for signed answers.
export async function introspect(as, authentication, token, who = client, options = {}) {
  const additionalParameters = { token_type_hint: 'access_token' }
  const answer = await oauth.introspectionRequest(as, who, authentication, token, { ...http, additionalParameters, ...options })
  const told = await oauth.processIntrospectionResponse(as, who, answer)
  return { told, answer }
}

export async function revoke(as, authentication, token, who = client, options = {}) {
  const answer = await oauth.revocationRequest(as, who, authentication, token, { ...http, ...options })
  return oauth.processRevocationResponse(answer)
}

// As a resource server would do it with the request that carries the token (RFC 9068 §4).
export function validate(as, token, audience) {
  const request = new Request('https://resource.example/', { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, http)
}

export const call = (token, method, path, body, options = {}) => {
  const headers = new Headers({ 'content-type': 'application/json', 'if-match': '*' })
  return oauth.protectedResourceRequest(token, method, new URL(path, url), headers, body && JSON.stringify(body), { ...http, ...options })
}

// oauth4webapi says which error it was told, or by which challenge it was refused.
export const refused = (code, status) => (error) => error instanceof oauth.ResponseBodyError && error.error === code && error.status === status
export const challenged = (scheme, code) => (error) =>
  error instanceof oauth.WWWAuthenticateChallengeError && error.cause.some((one) => one.scheme === scheme && one.parameters.error === code)
