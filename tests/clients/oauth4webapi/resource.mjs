// From a refusal to a token: who knows nothing but the address of the API is told there who issues tokens for it (RFC 9728).

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { ask, basic, call, challenged, discover, http, url } from './server.mjs'

export async function findTheIssuer() {
  let challenges
  await assert.rejects(call('e30.e30.c2ln', 'GET', '/v1/whoami'), (error) => {
    challenges = error.cause
    return challenged('bearer', 'invalid_token')(error)
  })
  const identifier = new URL(url)
  const answer = await oauth.resourceDiscoveryRequest(identifier, http)
  for (const { scheme, parameters } of challenges) assert.equal(parameters.resource_metadata, answer.url, scheme)
  assert.deepEqual(challenges.map(({ scheme }) => scheme).toSorted(), ['bearer', 'dpop'])

  const resource = await oauth.processResourceDiscoveryResponse(identifier, answer.clone())
  await assert.rejects(oauth.processResourceDiscoveryResponse(new URL('https://other.example'), answer), { code: oauth.JSON_ATTRIBUTE_COMPARISON })
  assert.deepEqual(resource.bearer_methods_supported, ['header'])
  const [issuer] = resource.authorization_servers
  const as = await discover('oauth2', new URL(issuer))
  assert.deepEqual(as.protected_resources, [resource.resource])
  const { access_token: token } = await ask(as, basic, { resource: resource.resource })
  assert.equal((await call(token, 'GET', '/v1/whoami')).status, 200)
}
